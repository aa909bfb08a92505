"""Deadlines, late jobs and handlers that hang, as people see them; no worker is needed."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from flowforge import JobState
from flowforge.engine.current import set_engine
from flowforge.store.fleet_reads.worker_reports import WorkerReports
from tests.contract.bench import STOPPED
from tests.integration.cli_shell import Shell
from tests.integration.flows import One, single

pytestmark = pytest.mark.usefixtures("no_settings")


def test_the_command_line_gives_deadlines(idle: Shell) -> None:
    """``run``, ``show`` and ``explain``; they count from the start of a job that is put off."""
    job_id = idle.submit("numbers", "--start-within", "10m", "--finish-within", "2h")
    job = JobState(job_id, idle.installation.engine)
    assert job.start_by == job.created_at + timedelta(minutes=10)
    assert job.finish_by == job.created_at + timedelta(hours=2)
    shown = idle.run("show", job_id).stdout
    assert re.search(r"start by +.*\(in 9 min", shown)
    assert re.search(r"finish by +.*\(in 1 h 59 min", shown)
    told = idle.json("show", job_id)
    assert (told["start_by"], told["late"]) == (job.start_by.isoformat(), None)
    said = idle.run("explain", job_id).stdout
    assert re.search(r"^deadline +it fails unless it has started by then", said, re.MULTILINE)
    last = job.explain()[-1]
    assert (last.kind, last.until, last.details) == ("deadline", job.finish_by, {"has": "ended"})
    later = JobState(idle.submit("numbers", "--delay", "1h", "--start-within", "600"), job._engine)
    assert later.start_by is not None
    assert later.starts_at is not None
    assert later.start_by - later.starts_at == timedelta(minutes=10)


def test_a_retry_gives_a_new_deadline(idle: Shell) -> None:
    """Only of jobs that are named."""
    job_id = idle.submit("numbers")
    engine = idle.installation.engine
    engine.store.invocations.claim(job_id, "1.0.0", "t", 60_000)
    engine.store.invocations.fail(job_id, "1.0.0", "t", 1, b"", "why", b"", STOPPED)
    said = idle.run("retry", "--all-matching", "--finish-within", "1h", code=2).stderr
    assert "--finish-within is of jobs that are named" in said
    idle.run("retry", job_id, "--finish-within", "1h")
    finish_by = JobState(job_id, engine).finish_by
    assert finish_by is not None
    assert finish_by - engine.inspector.created_at(job_id) >= timedelta(hours=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--start-within", "soon"], "no length of time"),
        (["--finish-within", "0"], "finish_within must be above 0 seconds"),
    ],
)
def test_what_is_no_deadline_is_a_usage_error(idle: Shell, arguments: list[str], said: str) -> None:
    """Exit status 2, with what to give."""
    result = idle.run("run", "tests.integration.cli_flows:numbers", *arguments, code=2)
    assert said in result.stderr


def test_a_late_job_is_told_of(idle: Shell) -> None:
    """By ``explain`` and by the doctor, until it has ended."""
    job_id = idle.submit("numbers")
    assert "late" not in idle.findings(code=1)
    idle.fields(job_id, late="slow")
    last = JobState(job_id, idle.installation.engine).explain()[-1]
    assert (last.kind, last.details) == ("late", {"event": "slow"})
    (finding,) = idle.findings(code=1)["late"]
    assert (finding["level"], finding["text"]) == ("warn", f"1 job is late: {job_id} (slow)")
    assert finding["fix"] == f"flowforge explain {job_id} says what it waits for"


def test_a_missed_deadline_is_told(idle: Shell) -> None:
    """By the error, by ``explain`` and in the history."""
    job_id = idle.submit("numbers", "--start-within", "10m")
    idle.fields(job_id, start_by=1)
    engine = idle.installation.engine
    assert engine.store.invocations.claim(job_id, "1.0.0", "t", 60_000) == "dropped"
    error = JobState(job_id, engine).error
    assert error is not None
    assert error["type"] == "NotStartedInTime"
    assert "had not started when its start_within of 600 s" in idle.run("explain", job_id).stdout
    (entry,) = [e for e in idle.json("history", job_id) if e["kind"] == "deadline_missed"]
    assert entry["details"] == {"deadline": "start_within", "seconds": 600.0}


def test_what_is_late_has_names_of_its_own() -> None:
    """Each once, and not without end."""
    flow = single(One)
    flow.on_late(timedelta(minutes=30))
    flow.on_late(after=7200, event="sla")
    assert flow.definition().late == ((1_800_000, "late"), (7_200_000, "sla"))
    assert type(flow).deserialize(flow.serialize()).definition() == flow.definition()
    with pytest.raises(ValueError, match="is late already with 'sla'"):
        flow.on_late(60, "sla")
    with pytest.raises(ValueError, match="after must be above 0 seconds"):
        flow.on_late(0, "soon")
    for number in range(6):
        flow.on_late(60, f"e{number}")
    with pytest.raises(ValueError, match="at most 8 times"):
        flow.on_late(60, "one more")


def test_a_handler_that_hangs_is_named(idle: Shell) -> None:
    """By the doctor, with the worker that it occupies, and by ``explain``."""
    job_id = idle.submit("numbers")
    facts = {
        "queues": ["celery"], "pool": "threads", "concurrency": 2, "pid": 4711,
        "routines": ["a.B"], "hanging": [f"{job_id}/1.0.0"],
    }  # fmt: skip
    WorkerReports(idle.installation.engine.store).write("w1@host", "m", facts, ())
    found = idle.findings(code=1)["worker"]
    (finding,) = [one for one in found if one["level"] == "warn"]
    assert "1 handler whose attempt was ended still occupies a place" in finding["text"]
    assert "4711" in finding["fix"]
    set_engine(idle.installation.engine)
    (hanging,) = [one for one in JobState.get(job_id).explain() if one.kind == "hanging"]
    assert "an attempt at start.input (invocation 1) was ended" in hanging.what
    assert hanging.details == {"worker": "w1@host", "pid": 4711}
