"""``flowforge graph``: flows by module and by name, and jobs with their counts."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import click.testing
import pytest

from flowforge import Flow
from flowforge.cli.main import cli
from tests.integration.cli_flows import finish
from tests.integration.cli_shell import FLOWS, Shell

pytestmark = pytest.mark.usefixtures("no_settings")

BOXES = """\

┌───────┐
│ start │
└───┬───┘
    ▼
┌─────────┐
│ finish  │
└─────────┘

start.out -> finish.input
"""


def test_a_flow_by_its_module(idle: Shell) -> None:
    """As ``run`` takes it; no job is needed, and no server."""
    out = idle.run("graph", f"{FLOWS}:numbers").stdout
    assert out.startswith("flow numbers, definition ")
    assert [line.strip() for line in out.splitlines()[1:]] == [
        line.strip() for line in BOXES.splitlines()
    ]
    lonely = idle.run(
        "--redis-url", "redis://localhost:1", "graph", f"{FLOWS}:numbers", "--mermaid"
    )
    assert '  r0 -->|"out → input"| r1' in lonely.stdout


def test_a_module_alone(idle: Shell) -> None:
    """As ``run`` takes it, where no job and no flow has its name; no server is needed."""
    lonely = "tests.integration.form_flows"
    text = idle.run("graph", lonely).stdout
    assert text.startswith("flow ")
    without = click.testing.CliRunner().invoke(cli, ["graph", lonely])
    assert without.stdout == text
    for name, text in (("no_such_module", "'no_such_module'"), (FLOWS, f"{FLOWS}:FLOW")):
        refused = click.testing.CliRunner().invoke(cli, ["graph", name])
        assert text in refused.stderr.partition(";")[0]
        assert "no server is named" in refused.stderr
    assert f"name the flow as {FLOWS}:FLOW" in idle.run("graph", FLOWS, code=1).stderr


def test_two_forms_are_refused(idle: Shell) -> None:
    text = idle.run("graph", f"{FLOWS}:numbers", "--svg", "--mermaid", code=2).stderr
    assert "give one of --svg, --mermaid" in text


def test_a_flow_by_its_name(idle: Shell) -> None:
    """As its newest job has it."""
    older = Flow("numbers")
    older.add_routine(finish, "old")
    older.execute("old", {"n": 1})
    assert "no flow of this name has jobs" in idle.run("graph", "other", code=1).stderr
    assert "│ old │" in idle.run("graph", "numbers").stdout
    idle.submit("numbers")
    assert "│ start │" in idle.run("graph", "numbers").stdout


def test_a_job_has_its_counts(fleet: Shell, tmp_path: Path) -> None:
    """In each form; the id of an invocation stands for its job."""
    job_id = fleet.json("run", f"{FLOWS}:numbers")["job_id"]
    out = fleet.run("graph", job_id).stdout
    assert f"job {job_id}: completed" in out
    definition = fleet.json("graph", job_id)["definition"]
    assert fleet.json("graph", f"{FLOWS}:numbers")["definition"] == definition
    assert out.count("│ completed │") == 2
    assert fleet.run("graph", f"{job_id}-1").stdout == out
    data = fleet.json("graph", job_id)
    assert [(one["routine_id"], one["layer"]) for one in data["routines"]] == [
        ("start", 0), ("finish", 1),
    ]  # fmt: skip
    assert data["routines"][1]["state"]["completed"] == 1
    assert data["connections"][0]["closes_cycle"] is False
    file = tmp_path / "job.svg"
    assert fleet.run("graph", job_id, "--svg", "-o", str(file)).stdout == ""
    texts = [one.text for one in ElementTree.parse(file).iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["start", "completed", "1 done", "finish", "completed", "1 done"]
    fleet.run("graph", job_id, "--json", "-o", str(file))
    assert json.loads(file.read_text()) == data


def test_a_file_that_cannot_be_written(idle: Shell, tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "x.svg"
    assert "cannot be written: No such" in idle.run(
        "graph", f"{FLOWS}:numbers", "-o", str(missing), code=1
    ).stderr  # fmt: skip
