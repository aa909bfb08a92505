"""Undoing jobs with real workers: what failed or was cancelled leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge import Flow, JobState
from flowforge.engine.current import set_engine
from flowforge.errors import JobFailedError, JobStateError
from flowforge.local.server import LocalServer
from tests.integration.cli_shell import Shell
from tests.integration.installation import FAST, LIMIT, Installation, installed, kinds
from tests.integration.undo_flows import Emits, Fail, Gather, Spread, Tour, Wait, noted, trips
from tests.support.eventually import eventually

FLOWS = "tests.integration.undo_flows"


@pytest.fixture(scope="module")
def shared(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One worker for all of these tests."""
    with installed(server, tmp_path_factory.mktemp("undo"), (FLOWS,), **FAST) as found:
        found.fleet.start(pool="threads", concurrency=2)
        yield found


@pytest.fixture(autouse=True)
def engine(shared: Installation) -> None:
    """The engine of this process: a command of the command line leaves none."""
    set_engine(shared.engine)


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Where the vendors keep what was booked."""
    return str(tmp_path / "booked")


def undone(job: JobState, status: str = "done") -> JobState:
    """The job that has undone this one."""
    eventually(lambda: job.undo is not None and job.undo.status == status)
    assert job.undo is not None
    assert job.undo.job_id is not None
    return JobState(job.undo.job_id)


def booked(flow: Flow, file: str, **params: object) -> JobState:
    return flow.execute(next(iter(flow.routines)), {"file": file, "trip": 7, **params})


def test_a_failed_job_undoes_its_steps_in_reverse_order(file: str) -> None:
    """Each compensation gets what its step was given, and the number that it kept."""
    job = booked(trips(), file, card="4711")
    with pytest.raises(JobFailedError, match="no way to go on with trip 7"):
        job.result(LIMIT)
    other = undone(job)
    assert noted(file) == ["room 7", "car 7", "undo car-7", "undo room-7 4711"]
    assert job.status == "failed"
    assert (other.status, other.undoes, other.flow_id) == (
        "completed", job.job_id, f"{job.flow_id} (undo)",
    )  # fmt: skip
    ends = [one for one in other.get_execution_history() if one.kind == "completed"]
    assert [(one.routine_id, one.slot) for one in ends] == [
        ("car", "input (undo)"), ("room", "input (undo)"),
    ]  # fmt: skip
    assert "4711" not in str([one.details for one in ends])
    assert kinds(job)[-2:] == ["undo", "undo_ended"]
    failed, undo = job.explain()
    assert (failed.command, undo.kind, undo.command) == (None, "undo", None)
    assert undo.what == f"job {other.job_id} has undone what it did"


def test_an_undone_job_is_not_retried(file: str) -> None:
    """The error says which job has undone it."""
    job = booked(trips(), file).wait(LIMIT)
    other = undone(job)
    with pytest.raises(JobStateError, match=f"job {other.job_id} has undone what it did; rerun"):
        job.retry()
    for verb, act in (("rerun", other.rerun), ("fork", lambda: other.fork([1]))):
        with pytest.raises(JobStateError, match=f"cannot {verb} job {other.job_id}: it undoes job"):
            act()


def test_a_failed_compensation_is_retried_or_skipped(file: str) -> None:
    """It has attempts of its own, then keeps its params; the order holds."""
    job = booked(trips(refuses=True), file, card="4711")
    other = undone(job, "failed")
    assert noted(file)[-1] == "undo car-7"
    finding = job.explain()[1]
    assert (finding.kind, finding.count) == ("undo_failed", 1)
    assert finding.command == f"flowforge retry {other.job_id}"
    assert finding.details["skip_command"] == f"flowforge skip {other.job_id} 2"
    assert "cannot release room-7 of card ***" in finding.what
    assert "4711" not in str(finding)
    with pytest.raises(JobStateError, match=f"flowforge retry {other.job_id} retries"):
        job.retry()
    Path(file).with_name("open").touch()
    other.retry(by="anna")
    undone(job)
    assert noted(file)[-1] == "undo room-7 4711"
    attempts = [one for one in other.get_execution_history("room") if one.kind != "submitted"]
    assert [one.kind for one in attempts] == ["retried", "failed", "completed"]


def test_the_doctor_warns_of_a_failed_undo(shared: Installation, file: str) -> None:
    """With the command that lists such jobs; `show` leads from either job to the other."""
    job = booked(trips(refuses=True), file)
    other = undone(job, "failed")
    shell = Shell(shared)
    (finding,) = [one for one in shell.json("doctor")["findings"] if one["check"] == "undo"]
    assert finding["level"] == "warn"
    assert " (undo)'" in finding["fix"]
    assert shell.json("show", job.job_id)["undo"]["job_id"] == other.job_id
    assert shell.json("show", other.job_id)["undoes"] == job.job_id
    set_engine(shared.engine)
    Path(file).with_name("open").touch()
    other.retry()
    undone(job)


def test_a_compensation_is_skipped(file: str) -> None:
    """What cannot be undone is left to people; the rest is undone when the job is retried."""
    job = booked(trips(refuses=True), file)
    other = undone(job, "failed")
    with pytest.raises(Exception, match="an undo emits nothing"):
        other.skip(2, emit=[("output", {"file": file, "trip": 1})])
    other.skip(2, by="anna")
    other.retry()
    undone(job)
    assert noted(file)[-1] == "undo car-7"


def test_a_cancel_with_undo_waits_for_what_runs(file: str) -> None:
    """A handler that still ran has done its part, which is undone with the rest."""
    job = booked(trips(slow=True), file)
    eventually(lambda: "books car" in noted(file))
    job.cancel("changed my mind", undo=True, by="anna")
    undone(job)
    assert noted(file) == ["room 7", "books car", "car 7", "undo car-7", "undo room-7"]
    assert job.status == "cancelled"
    assert job.explain()[1].kind == "undo"


def test_a_cancel_without_undo_undoes_nothing(file: str) -> None:
    """What was done stays done."""
    job = booked(trips(Wait), file)
    eventually(lambda: "waits" in noted(file))
    job.cancel()
    assert job.undo is None
    assert len(job.explain()) <= 2
    assert noted(file) == ["room 7", "car 7", "waits"]


def test_the_command_line_cancels_with_undo(shared: Installation, file: str) -> None:
    """The undoing job is on the list of jobs, and its command is the usual one."""
    job = booked(trips(Wait), file)
    eventually(lambda: "waits" in noted(file))
    shell = Shell(shared)
    shell.run("cancel", job.job_id, "--undo")
    set_engine(shared.engine)
    other = undone(job)
    assert noted(file)[-2:] == ["undo car-7", "undo room-7"]
    assert other.job_id in shell.run("jobs").stdout
    assert f"job {other.job_id} has undone what it did" in shell.run("explain", job.job_id).stdout


def test_an_undo_emits_nothing(file: str) -> None:
    """What would receive it has ended: the compensation fails, and says why."""
    flow = Flow()
    flow.add_routine(Emits, "emits")
    flow.add_routine(Fail, "last")
    flow.connect("emits", "output", "last", "input")
    flow.routines["emits"].set_as_optional()
    job = booked(flow, file)
    eventually(lambda: job.undo is not None and job.undo.job_id is not None)
    assert job.undo is not None
    assert job.undo.job_id is not None
    other = JobState(job.undo.job_id)
    eventually(lambda: "retried" in kinds(other))
    (entry,) = [one for one in other.get_execution_history() if one.kind == "retried"][:1]
    assert "an undo cannot emit ('output')" in entry.details["error"]["message"]
    other.cancel()


def test_a_join_keeps_what_its_handler_says(file: str) -> None:
    """Its items are not kept; each invocation is undone once."""
    flow = Flow()
    flow.add_routine(Spread, "spread")
    flow.add_routine(Gather, "gather")
    flow.add_routine(Fail, "last")
    flow.connect("spread", "output", "gather", "input")
    flow.connect("gather", "output", "last", "input")
    job = flow.execute("spread", {"file": file, "trips": [1, 2, 3]})
    undone(job)
    assert noted(file) == ["undo sum of [1, 2, 3]"]


def test_child_jobs_are_undone_with_their_parent(file: str) -> None:
    """A child that still runs is cancelled and undone; so is what the parent has done."""
    flow = Flow()
    flow.add_routine(Tour, "tour")
    job = flow.execute("tour", {"file": file, "trip": 7})
    eventually(lambda: "waits" in noted(file))
    job.cancel(undo=True)
    undone(job)
    eventually(lambda: "undo room-7" in noted(file))
    assert "undo tour 7" in noted(file)
    assert "undo car-7" in noted(file)
