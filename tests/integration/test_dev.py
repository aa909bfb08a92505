"""``flowforge dev``: what a person sees and does in its terminal, and what is left of it."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge import JobState
from flowforge.dev.place import running_in
from flowforge.engine.engine import Engine
from tests.integration.dev_terminal import (
    MODULE,
    DevTerminal,
    code_of,
    fast_environment,
    is_running,
)
from tests.integration.installation import LIMIT
from tests.support.eventually import eventually

READY = "workers ready after .*"


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevTerminal]:
    """A development server of one worker, whose module it has found by itself."""
    project = tmp_path_factory.mktemp("project")
    (project / "held.py").write_text(MODULE)
    running = DevTerminal(project, "--workers", "1", "--port", "0")
    try:
        running.shows(READY)
        yield running
    finally:
        running.end()


@pytest.fixture
def engine(terminal: DevTerminal) -> Iterator[Engine]:
    found = terminal.engine()
    yield found
    found.close()


def test_it_prints_a_link_to_the_dashboard(terminal: DevTerminal) -> None:
    """And what to enter in another terminal."""
    link = terminal.shows(r"dashboard  (http://127\.0\.0\.1:\d+/login\?token=\S+)")[1]
    with urllib.request.urlopen(link, timeout=LIMIT) as page:
        assert page.status == 200
    terminal.shows("flowforge run held --param NAME=VALUE")
    assert terminal.command("dev", "--env").startswith("export FLOWFORGE_REDIS_URL=redis://")


def test_a_failure_shows_its_traceback(
    terminal: DevTerminal, engine: Engine, tmp_path: Path
) -> None:
    """As it happens, the frames of the user's code alone, and how to go on."""
    jobs: list[JobState] = []
    shown = terminal.shows_after(
        lambda: jobs.append(terminal.submit(engine, tmp_path / "gate", broken=True)),
        r"FAILED held\.step(.|\n)*look: flowforge show \S+",
    )
    lines = shown[0].splitlines()
    assert lines[0] == f"FAILED held.step in job {jobs[0].job_id}"
    frames = [line for line in lines if line.startswith('  File "')]
    assert frames == [f'  File "{terminal.project}/held.py", line 13, in step']
    assert lines[-2:] == ["ValueError: it is broken", f"look: flowforge show {jobs[0].job_id}"]


def test_a_saved_file_is_run_and_what_runs_is_finished(
    terminal: DevTerminal, engine: Engine, tmp_path: Path
) -> None:
    """The old code ends in its worker while the new one takes what is queued."""
    gate = tmp_path / "gate"
    held = terminal.submit(engine, gate)
    eventually(lambda: held.counts["running"] == 1, LIMIT)
    terminal.shows_after(lambda: terminal.write(MODULE.replace("old", "new")), READY)
    done = tmp_path / "done"
    done.touch()
    assert code_of(terminal.submit(engine, done)) == "new"
    assert held.counts["running"] == 1
    gate.touch()
    assert code_of(held) == "old"
    assert held.routine_states["step"]["lost"] == 0


def test_code_that_does_not_run_leaves_work_queued(
    terminal: DevTerminal, engine: Engine, tmp_path: Path
) -> None:
    """The error stays on the screen, no worker is started again and again, and the next save goes
    on with the work.
    """
    gate = tmp_path / "gate"
    gate.touch()
    shown = terminal.shows_after(
        lambda: terminal.write(f"{MODULE}\nx = = 1\n"), "(.*)\nno worker runs; queued work waits.*"
    )
    assert "held.py, line 22: SyntaxError" in shown[1]
    queued = terminal.submit(engine, gate)
    assert queued.status == "pending"
    shown = terminal.shows_after(
        lambda: terminal.write(MODULE.replace("old", "third")), f"((.|\n)*){READY}"
    )
    assert "SyntaxError" not in shown[1]
    assert code_of(queued) == "third"


def test_a_worker_is_killed_and_its_work_goes_on(
    terminal: DevTerminal, engine: Engine, tmp_path: Path
) -> None:
    """The terminal says what it ran, and what follows."""
    gate = tmp_path / "gate"
    job = terminal.submit(engine, gate)
    eventually(lambda: job.counts["running"] == 1, LIMIT)
    killed = f"is killed with SIGKILL((.|\n)*){READY}"
    shown = terminal.shows_after(lambda: terminal.press(b"k"), killed)
    assert f"it ran step.input (invocation 1 of job {job.job_id})" in shown[1]
    assert "the lease ends within 1.5 s" in shown[1]
    assert "another one starts in its place" in shown[1]
    gate.touch()
    code_of(job)
    assert job.routine_states["step"]["lost"] == 1
    # From another terminal too.
    shown = terminal.shows_after(lambda: terminal.command("dev", "--kill-worker"), killed)
    assert "it ran nothing" in shown[1]


def test_a_second_one_is_refused(terminal: DevTerminal) -> None:
    """In the same folder, and the first one goes on."""
    second = DevTerminal(terminal.project)
    try:
        second.shows("error: a development server runs in this folder already")
        assert second.program.wait(LIMIT) == 1
    finally:
        second.end()
    assert running_in(terminal.project) is not None


def test_ctrl_c_ends_all_of_it(terminal: DevTerminal, engine: Engine, tmp_path: Path) -> None:
    """A second one also ends a handler that does not. The jobs are kept, and so is the terminal."""
    job = terminal.submit(engine, tmp_path / "never")
    eventually(lambda: job.counts["running"] == 1, LIMIT)
    processes = terminal.processes(engine)
    assert len(processes) >= 2
    during = terminal.mode
    terminal.shows_after(lambda: terminal.press(b"\x03"), "Ctrl-C again ends it at once")
    terminal.press(b"\x03")
    assert terminal.program.wait(LIMIT) == 0
    eventually(lambda: not any(map(is_running, processes)), LIMIT, message="their end")
    assert terminal.mode[3] != during[3]
    folder = terminal.project / ".flowforge"
    assert sorted(path.name for path in folder.iterdir()) == [".gitignore", "data", "dev.lock"]
    left = {path.name for path in terminal.project.iterdir()} - {"__pycache__"}
    assert left == {".flowforge", "held.py"}


def without_dashboard(folder: Path) -> dict[str, str]:
    """The environment of a program that lacks the packages of the dashboard."""
    (folder / "starlette.py").write_text("raise ImportError(name='starlette')")
    environment = fast_environment()
    return {**environment, "PYTHONPATH": f"{folder}{os.pathsep}{environment['PYTHONPATH']}"}


def test_sigkill_leaves_no_process(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What a dead one has left is not believed, and the next one has its jobs. That one runs
    without the packages of the dashboard, and a terminal that is closed ends it.
    """
    (tmp_path / "held.py").write_text(MODULE)
    options = ("--workers", "1", "--no-dashboard")
    first = DevTerminal(tmp_path, *options)
    try:
        first.shows(READY)
        engine = first.engine()
        processes = first.processes(engine)
        job = first.submit(engine, tmp_path)
        job.wait(LIMIT)
        engine.close()
        first.program.kill()
        eventually(lambda: not any(map(is_running, processes)), LIMIT, message="their end")
    finally:
        first.end()
    assert (tmp_path / ".flowforge" / "dev.json").exists()
    assert running_in(tmp_path) is None
    environment = without_dashboard(tmp_path_factory.mktemp("packages"))
    again = DevTerminal(tmp_path, "--workers", "1", environment=environment)
    try:
        again.shows(r"dashboard  the dashboard needs more packages \(starlette is missing\)")
        again.shows(READY)
        assert job.job_id in again.command("jobs")
        engine = again.engine()
        processes = again.processes(engine)
        engine.close()
        again.program.send_signal(signal.SIGHUP)
        assert again.program.wait(LIMIT) == 0
        eventually(lambda: not any(map(is_running, processes)), LIMIT, message="their end")
    finally:
        again.end()
