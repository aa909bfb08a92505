"""Undoing jobs with real workers: what failed or was cancelled leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge import Bulk, Flow, JobState, Queue, Routine, web
from flowforge.doctor.attention import AttentionKind, attention
from flowforge.engine.current import set_engine
from flowforge.errors import ArgumentError, JobFailedError, JobStateError
from flowforge.local.server import LocalServer
from flowforge.web.needs import rows
from tests.integration.cli_shell import Shell
from tests.integration.installation import FAST, LIMIT, Installation, installed, kinds
from tests.integration.undo_flows import (
    Asks,
    Emits,
    Fail,
    Gather,
    Lacks,
    Spread,
    Tour,
    Wait,
    noted,
    trips,
)
from tests.integration.web_client import Browser, dashboard
from tests.integration.web_jobs import text_of
from tests.support.eventually import eventually

FLOWS = "tests.integration.undo_flows"

#: Installation -> what the hook of its worker has noted.
HOOKED: dict[str, str] = {}


@pytest.fixture(scope="module")
def shared(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One worker for all of these tests."""
    with installed(server, tmp_path_factory.mktemp("undo"), (FLOWS,), **FAST) as found:
        notes = str(tmp_path_factory.mktemp("hooks") / "notes")
        env = {"TEST_UNDO_NOTES": notes}
        found.fleet.start(pool="threads", concurrency=2, env=env)
        HOOKED[found.prefix] = notes
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


def test_a_failed_compensation_is_retried_or_skipped(shared: Installation, file: str) -> None:
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
    told = Shell(shared).run("explain", job.job_id).stdout
    set_engine(shared.engine)
    commands = f"flowforge retry {other.job_id}, or without it flowforge skip {other.job_id} 2"
    assert commands in " ".join(told.split())
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


def test_a_compensation_is_edited(shared: Installation, file: str) -> None:
    """Of its params those that the undo takes; secret ones are told nowhere."""
    job = booked(trips(refuses=True), file, card="4711")
    other = undone(job, "failed")
    with pytest.raises(ArgumentError, match=r"room\.input \(undo\) does not take the param 'nr'"):
        other.edit(2, {"nr": "room-8"})
    with pytest.raises(JobStateError, match="what it did is undone; rerun"):
        job.edit(3, {"trip": 8})
    other.edit(2, {"number": "room-8", "card": "0815"}, by="anna")
    (entry,) = [one for one in other.get_execution_history() if one.kind == "edited"]
    assert "0815" not in str(entry.details)
    Path(file).with_name("open").touch()
    Shell(shared).run("retry", other.job_id, "--edit", "2:number=room-9")
    set_engine(shared.engine)
    undone(job)
    assert noted(file)[-1] == "undo room-9 0815"


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


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Emits, "an undo cannot emit ('output')"),
        (Asks, "an undo cannot expect answers"),
        (Lacks, "was called without 'number'; params and undo_with of the undone invocation hold"),
    ],
)
def test_what_an_undo_cannot_do(file: str, kind: type[Routine], told: str) -> None:
    """Its job has ended, so nothing is left that could receive what it sends."""
    flow = Flow()
    flow.add_routine(kind, "first")
    flow.add_routine(Fail, "last")
    flow.connect("first", "output", "last", "input")
    flow.routines["first"].set_as_optional()
    job = booked(flow, file)
    eventually(lambda: job.undo is not None and job.undo.job_id is not None)
    assert job.undo is not None
    assert job.undo.job_id is not None
    other = JobState(job.undo.job_id)
    eventually(lambda: "retried" in kinds(other))
    (entry,) = [one for one in other.get_execution_history() if one.kind == "retried"][:1]
    assert told in entry.details["error"]["message"]
    other.cancel()


def test_a_worker_says_what_an_undo_will_lack(shared: Installation, file: str) -> None:
    """When the invocation is committed, not when it is to be undone."""
    flow = Flow()
    flow.add_routine(Lacks, "lacks")
    flow.execute("lacks", {"file": file, "trip": 1}).wait(LIMIT)
    (worker,) = shared.fleet.workers
    text = "lacks.input can be undone only by hand: its undo, asks, needs 'number'"
    eventually(lambda: text in worker.output())


def test_a_paused_queue_holds_an_undo(file: str) -> None:
    """Both jobs say so, and the next job of their key; a skip goes on without what it holds."""
    flow = trips(Wait)
    job = flow.execute("room", {"file": file, "trip": 7}, single=file)
    eventually(lambda: "waits" in noted(file))
    queue = Queue("celery")
    queue.pause("vendor down", by="anna")
    try:
        job.cancel(undo=True)
        eventually(lambda: job.undo is not None and job.undo.status == "running")
        assert job.undo is not None
        other = JobState(str(job.undo.job_id))
        for finding in (job.explain()[1], other.explain()[0]):
            assert "queue 'celery' is paused by anna (vendor down)" in finding.what
            assert finding.command == "flowforge queues resume celery"
        following = flow.execute(
            "room", {"file": file, "trip": 8}, single=file, when_running="queue"
        )
        (finding,) = following.explain()
        begins = f"it waits for job {other.job_id}, which undoes job {job.job_id} and has the key"
        assert finding.what.startswith(begins)
        following.cancel()
        other.skip(1, by="anna")
    finally:
        queue.resume()
    undone(job)
    assert noted(file)[-2:] == ["waits", "undo room-7"]


def test_many_jobs_are_cancelled_with_undo(file: str) -> None:
    """Each that has not ended is undone."""
    ended = booked(trips(), file)
    undone(ended)
    job = booked(trips(Wait), file)
    eventually(lambda: "waits" in noted(file))
    bulk = Bulk.cancel([job, ended], reason="recall", undo=True)
    bulk.wait(LIMIT)
    (refused,) = bulk.progress.refusals
    assert refused.count == 1
    undone(job)
    assert noted(file)[-2:] == ["undo car-7", "undo room-7"]


def test_a_hook_is_told_of_a_failed_undo(shared: Installation, file: str) -> None:
    """Of the undoing job, with the routine whose compensation failed."""
    other = undone(booked(trips(refuses=True), file), "failed")
    line = f"undo.failed {other.job_id} room"
    eventually(lambda: line in noted(HOOKED[shared.prefix]), LIMIT)


@pytest.fixture
def operator(shared: Installation) -> Iterator[Browser]:
    with dashboard(shared.engine, web.Role.OPERATOR) as client:
        yield client


def test_the_dashboard_cancels_with_undo(operator: Browser, file: str) -> None:
    """It asks, and leads from either job to the other; neither offers what is refused."""
    job = booked(trips(Wait, refuses=True), file)
    eventually(lambda: "waits" in noted(file))
    own = f"/jobs/{job.job_id}"
    assert "Undo what it has done" in text_of(operator.page(f"{own}/cancel"))
    operator.act(f"{own}/cancel", reason="recall", undo="yes")
    other = undone(job, "failed")
    theirs = f"/jobs/{other.job_id}"
    page = operator.page(own)
    assert f'href="{theirs}"' in page
    assert f"flowforge skip {other.job_id} 2 before that" in text_of(page)
    assert "Run again" in page
    page = operator.page(theirs)
    assert f'href="{own}"' in page
    assert f'href="{theirs}/retry"' in page
    assert "Run again" not in page
    operator.act(f"{theirs}/retry", reason="vendor is back")
    assert "Undo what it has done" not in operator.page(f"{theirs}/cancel")
    Path(file).with_name("open").touch()
    eventually(lambda: job.undo is not None and job.undo.status in ("done", "failed"))


def test_the_dashboard_does_not_retry_what_is_undone(operator: Browser, file: str) -> None:
    """There is no button, and an older page is told why."""
    job = booked(trips(), file).wait(LIMIT)
    undone(job)
    own = f"/jobs/{job.job_id}"
    assert f'href="{own}/retry"' not in operator.page(own)
    assert "has undone what it did" in text_of(operator.page(own))
    assert "cannot be retried" in text_of(operator.act(f"{own}/retry", 409, reason="again"))


def test_the_overview_offers_no_retry_of_what_is_undone(
    shared: Installation, operator: Browser, file: str
) -> None:
    """One job leads to its page, several to their list."""
    flow = trips()
    first = booked(flow, file).wait(LIMIT)
    undone(first)
    assert _undone_rows(shared, flow.flow_id) == [
        ("explain", f"/jobs/{first.job_id}", f"/jobs/{first.job_id}")
    ]
    assert f'href="/jobs/{first.job_id}/retry"' not in operator.page("/")
    second = booked(flow, file).wait(LIMIT)
    undone(second)
    ((word, address, listed),) = _undone_rows(shared, flow.flow_id)
    assert (word, address) == ("", "")
    assert all(job.job_id in operator.page(listed) for job in (first, second))


def _undone_rows(site: Installation, flow_id: str) -> list[tuple[str, str, str]]:
    """Word, address and list of those rows of what needs a person that are about a flow."""
    found = [row for row in rows(attention([site.engine])) if row.one.flow_id == flow_id]
    assert {row.one.kind for row in found} == {AttentionKind.UNDONE}
    return [(row.word, row.address, row.jobs) for row in found]


def test_the_command_line_offers_no_retry_of_what_is_undone(
    shared: Installation, file: str
) -> None:
    """A group of failures without another job names no command that would be refused."""
    job = booked(trips(), file).wait(LIMIT)
    undone(job)
    shell = Shell(shared)
    (group,) = shell.json("errors", "--flow", job.flow_id)
    text = shell.run("errors", group["id"]).stdout
    assert f"look at one:     flowforge show {job.job_id}" in text
    assert "flowforge retry" not in text


def test_a_group_of_errors_offers_no_retry_of_what_is_undone(
    shared: Installation, operator: Browser, file: str
) -> None:
    """It says why; with a job that is not undone among them, it offers the retry of all."""
    flow = trips()
    first, second = (booked(flow, file).wait(LIMIT) for _ in range(2))
    undone(first), undone(second)
    (group,) = (one for one in JobState.error_groups() if one.flow_id == flow.flow_id)
    page = operator.page(f"/errors/{group.id}")
    assert "They are undone: no retry continues them." in text_of(page)
    assert "/bulk/new/retry" not in page
    shared.redis.hdel(shared.key("job", first.job_id), "undo")
    page = operator.page(f"/errors/{group.id}")
    assert "1 of them is undone: no retry continues it." in text_of(page)
    assert "/bulk/new/retry" in page


def test_the_dashboard_mends_nothing_of_what_is_undone(operator: Browser, file: str) -> None:
    """It offers a fork of the failed invocation alone, and none of a compensation."""
    job = booked(trips(), file).wait(LIMIT)
    other = undone(job)
    assert job.error is not None
    own = f"/jobs/{job.job_id}/invocations/{job.error['invocation']}"
    page = operator.page(own)
    assert f'href="{own}/fork"' in page
    assert not [word for word in ("edit", "skip", "reschedule") if f'href="{own}/{word}"' in page]
    assert '<form method="post">' not in operator.page(f"{own}/edit")
    theirs = f"/jobs/{other.job_id}/invocations/1"
    assert f'href="{theirs}/' not in operator.page(theirs)


def test_the_dashboard_cancels_many_with_undo(operator: Browser, file: str) -> None:
    """The question has the same box."""
    job = booked(trips(Wait), file)
    eventually(lambda: "waits" in noted(file))
    operator.act(f"/bulk/new/cancel?job={job.job_id}", reason="recall", undo="yes")
    undone(job)
    assert noted(file)[-1] == "undo room-7"


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
