"""The command line as a program: embedded, below Celery, with a reader that goes away."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tomllib
from pathlib import Path

import click.testing
import pytest

from flowforge.cli.main import cli
from tests.integration.cli_shell import FLOWS, Shell, clean_environment, start
from tests.support.fleet import ROOT

#: A job that hangs must not hold up the suite for long.
pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("no_settings")]


#: Ctrl-C when the command line is imported.
INTERRUPTED = """
import sys

class Interrupted:
    def find_spec(self, name, path, target=None):
        if name == "flowforge.cli.main":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
import flowforge.cli
"""


def test_help_of_the_worker() -> None:
    """What FlowForge adds comes before Celery's own options; no server is needed."""
    command = [sys.executable, "-m", "flowforge.cli", "worker", "--help"]
    program = start(command, clean_environment())
    text, errors = program.communicate(timeout=60)
    assert program.returncode == 0, errors
    added, _, celerys = text.partition("Usage: python -m celery worker [OPTIONS]")
    assert "--concurrency" in celerys
    for told in (
        "`celery -A flowforge.app worker`", "FLOWFORGE_REDIS_URL", "FLOWFORGE_IMPORTS",
        "-- worker.soft_shutdown_timeout=20",
    ):  # fmt: skip
        assert told in added


def test_ctrl_c_while_it_is_imported() -> None:
    """It ends as at any other moment."""
    program = start([sys.executable, "-c", INTERRUPTED], clean_environment())
    text, errors = program.communicate(timeout=60)
    assert (program.returncode, text, errors) == (130, "", "")


def test_embedded_run(tmp_path: Path) -> None:
    """Without a server a flow in a file runs inside the command, whatever the flow prints."""
    (tmp_path / "plain.py").write_text(
        "from flowforge import Flow, routine\n"
        "print('imported')\n"
        "@routine\n"
        "def shout(word: str):\n"
        "    print('handled')\n"
        "    return {'word': word.upper()}\n"
        "flow = Flow('shouts')\n"
        "flow.add_routine(shout)\n"
    )
    command = [sys.executable, "-m", "flowforge.cli", "run", "plain.py:flow", "--json"]
    program = start([*command, "--param", "word=hey"], clean_environment(), cwd=tmp_path)
    document, errors = program.communicate(timeout=60)
    assert program.returncode == 0, errors
    assert json.loads(document)["outputs"][0]["params"] == {"word": "HEY"}
    assert "imported" in errors
    assert "handled" in errors


def test_watch_on_a_terminal() -> None:
    """On a terminal the routines are a table that is drawn anew, and the cursor comes back."""
    master, slave = os.openpty()
    command = [sys.executable, "-m", "flowforge.cli", "run", f"{FLOWS}:numbers", "--watch"]
    terminal = {**clean_environment(), "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    program = start(command, terminal, stdout=slave)
    os.close(slave)
    drawn = b""
    with contextlib.suppress(OSError):  # how Linux reports the end of a terminal
        while part := os.read(master, 4096):
            drawn += part
    os.close(master)
    assert program.wait(timeout=60) == 0
    assert b"ROUTINE" in drawn
    assert b"finish" in drawn
    assert drawn.rfind(b"\x1b[?25h") > drawn.rfind(b"\x1b[?25l")
    assert program.stderr is not None
    program.stderr.close()


def test_embedded_jobs_do_not_outlive_the_command(tmp_path: Path) -> None:
    """Without a server --no-wait is refused, since nobody would run the job."""
    command = [sys.executable, "-m", "flowforge.cli", "run", f"{FLOWS}:numbers", "--no-wait"]
    program = start(command, clean_environment())
    _, errors = program.communicate(timeout=60)
    assert program.returncode == 2
    assert "--no-wait needs a server" in errors


def test_kept_jobs_can_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an embedded engine kept in its directory is shown, and not run, afterwards."""
    monkeypatch.setenv("FLOWFORGE_DATA_DIR", str(tmp_path / "data"))
    runner = click.testing.CliRunner()
    ran = runner.invoke(cli, ["run", f"{FLOWS}:numbers", "--json"])
    assert ran.exit_code == 0, ran.output
    assert json.loads(runner.invoke(cli, ["jobs", "--json"]).stdout)[0]["status"] == "completed"
    doctor = runner.invoke(cli, ["doctor"])
    assert doctor.exit_code == 0, doctor.output
    assert "go on when a program runs with it" in doctor.stdout


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A directory for PYTHONPATH that registers the entry points which the project declares."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    metadata = tmp_path / "flowforge-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: flowforge\nVersion: 0\n")
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in points.items())
        for group, points in project["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    return tmp_path


def test_below_celery(idle: Shell, plugin: Path) -> None:
    """`celery -A app flowforge` offers the same commands on that app's installation."""
    job_id = idle.submit("numbers")
    own = idle.environment()
    own["PYTHONPATH"] = os.pathsep.join([str(plugin), own["PYTHONPATH"]])
    command = [sys.executable, "-m", "celery", "-A", "flowforge.app", "flowforge"]
    program = start([*command, "jobs", "--json"], own)
    document, errors = program.communicate(timeout=60)
    assert program.returncode == 0, errors
    assert [job["job_id"] for job in json.loads(document)] == [job_id]
    program = start([*command, "show", "unknown"], own)
    _, errors = program.communicate(timeout=60)
    assert program.returncode == 1
    assert errors.startswith("error: there is no job")


def test_app_that_has_not_joined(plugin: Path) -> None:
    """An app that does not run flows is told how it would."""
    (plugin / "stranger.py").write_text("from celery import Celery\napp = Celery('stranger')\n")
    own = clean_environment()
    own["PYTHONPATH"] = os.pathsep.join([str(plugin), own["PYTHONPATH"]])
    command = [sys.executable, "-m", "celery", "-A", "stranger", "flowforge", "jobs"]
    program = start(command, own)
    _, errors = program.communicate(timeout=60)
    assert program.returncode == 1
    assert errors == (
        "error: the Celery app 'stranger' does not run flows: call flowforge.install(app) where "
        "it is made\n"
    )


def test_reader_that_went_away(idle: Shell) -> None:
    """A closed pipe ends the command without a word."""
    for _ in range(3):
        idle.submit("numbers")
    reader, writer = os.pipe()
    os.close(reader)
    program = idle.program("jobs", stdout=writer)
    os.close(writer)
    _, errors = program.communicate(timeout=60)
    assert program.returncode != 0
    assert errors == ""


def test_help_names_every_command() -> None:
    """The commands that operators need are there."""
    text = click.testing.CliRunner().invoke(cli, ["--help"]).stdout
    for name in (
        "run", "watch", "jobs", "show", "history", "pause", "resume", "cancel", "retry", "doctor",
        "dead-letters",
    ):  # fmt: skip
        assert f"\n  {name} " in text
