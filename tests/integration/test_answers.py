"""Answers from outside with a real worker: asked, answered, late, first of several."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from flowforge import JobState
from flowforge.engine.current import set_engine
from flowforge.errors import AnsweredError, InvalidValueError, JobStateError
from flowforge.local.server import LocalServer
from tests.integration.answer_flows import approvals, counted, first_of
from tests.integration.cli_shell import Shell
from tests.integration.installation import FAST, LIMIT, Installation, installed, kinds, outputs
from tests.support.eventually import eventually
from tests.support.virtual_clock import VirtualClock

FLOWS = "tests.integration.answer_flows"


@pytest.fixture(scope="module")
def shared(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One worker for all of these tests."""
    folder = tmp_path_factory.mktemp("answers")
    with installed(server, folder, (FLOWS,), timed=True, **FAST) as found:
        found.fleet.start(pool="threads", concurrency=2)
        yield found


@pytest.fixture(autouse=True)
def clock(shared: Installation) -> VirtualClock:
    """The fleet's clock; the engine of this process is set again behind a command."""
    set_engine(shared.engine)
    return shared.clock


@pytest.fixture
def shell(shared: Installation) -> Shell:
    return Shell(shared)


def asking(*keys: str, **options: object) -> JobState:
    """A job that expects an answer for each key, or one without a key."""
    job = approvals.execute("approve", {"keys": list(keys) or [""], **options})
    eventually(lambda: job.counts["expected"] == max(1, len(keys)))
    return job


def test_a_job_waits_for_its_answer_without_a_worker() -> None:
    """It is explained, listed, and goes on with the answer."""
    job = asking(within=3600, otherwise={"approved": False}, assign=["ops"])
    assert job.status == "running"
    assert {name: n for name, n in job.counts.items() if n} == {"expected": 1}
    (one,) = job.expectations
    assert (one.routine_id, one.slot, one.key, one.assign) == ("approve", "decision", "", ("ops",))
    assert one.until == one.since + timedelta(hours=1)
    assert one.otherwise
    (finding,) = job.explain()
    assert finding.kind == "expects"
    assert finding.what == (
        "it expects an answer for approve.decision from ops; then it goes on without one"
    )
    assert (finding.since, finding.until) == (one.since, one.until)
    assert finding.command == f"flowforge deliver {job.job_id} approve decision --params ..."
    with pytest.raises(TimeoutError, match="it expects an answer for approve"):
        job.wait(timeout=0)
    number = job.deliver("approve", "decision", {"approved": True}, by="kim")
    assert outputs(job) == [{"approved": True}]
    entries = [e for e in job.get_execution_history() if e.kind in ("expects", "answered")]
    assert [(e.kind, e.invocation, e.details) for e in entries] == [
        ("expects", number, {"assign": ["ops"]}),
        ("answered", number, {"by": "kim", "to": "approve.decision"}),
    ]


def test_a_later_answer_hears_who_was_first() -> None:
    """Also when the job has completed."""
    job = asking()
    job.deliver("approve", "decision", {"approved": True}, by="kim", delivery_id="d-1")
    job.wait(LIMIT)
    assert job.deliver("approve", "decision", {"approved": True}, delivery_id="d-1") == 2
    with pytest.raises(AnsweredError) as late:
        job.deliver("approve", "decision", {"approved": False}, by="lee")
    assert late.value.by == "kim"
    assert re.fullmatch(
        rf"job {job.job_id} takes no answer for approve.decision: kim has answered at .* UTC; "
        "the job is completed",
        str(late.value),
    )


def test_an_answer_has_to_fit_its_form() -> None:
    """The question stays open."""
    job = asking(form=True)
    with pytest.raises(InvalidValueError, match="the param 'approved' is missing"):
        job.deliver("approve", "decision", {})
    assert job.counts["expected"] == 1
    for routine, slot, known in (("approve", "desision", "decision"), ("aprove", "x", "approve")):
        with pytest.raises(ValueError, match=known):
            job.deliver(routine, slot, {"approved": True})
    job.deliver("approve", "decision", {"approved": True})
    assert job.wait(LIMIT).status == "completed"


def test_the_time_goes_on_in_a_pause_and_fails_the_job(clock: VirtualClock) -> None:
    """The error names the slot; a retry waits for the whole time again."""
    job = asking("a", within=3600)
    job.pause()
    clock.advance(hours=1)
    clock.run_until_quiet()
    assert job.status == "failed"
    assert job.error is not None
    assert job.error["message"].startswith("no answer for approve.decision for 'a' had come when")
    (finding,) = job.explain()
    assert finding.command == f"flowforge retry {job.job_id}"
    job.retry()
    (one,) = job.expectations
    assert one.until is not None
    job.reschedule(one.invocation, delay=7200)
    clock.advance(hours=1)
    job.deliver("approve", "decision", {"approved": True}, key="a")
    assert job.wait(LIMIT).status == "completed"


def test_otherwise_goes_on_without_an_answer(clock: VirtualClock) -> None:
    """A join of all has waited for it."""
    job = counted.execute(
        "approve", {"keys": ["a", "b"], "within": 3600, "otherwise": {"approved": False}}
    )
    eventually(lambda: job.counts["expected"] == 2)
    job.deliver("approve", "decision", {"approved": True}, key="b")
    eventually(lambda: not job.counts["queued"] + job.counts["running"])
    assert job.open_joins
    clock.advance(hours=1)
    assert outputs(job) == [{"approved": 1, "all": 2}]


def test_the_first_of_several_answers(clock: VirtualClock) -> None:
    """The other one is not expected any more; the end of the time takes both away."""
    job, late = first_of.execute("first"), first_of.execute("first", {"within": 60})
    eventually(lambda: job.counts["expected"] == late.counts["expected"] == 2)
    assert [one.any_of for one in job.expectations] == [(2, 3), (2, 3)]
    job.deliver("first", "yes", {"n": 1}, by="kim")
    with pytest.raises(AnsweredError, match=r"kim has answered first.yes in place of it"):
        job.deliver("first", "no")
    assert outputs(job) == [{"n": 1}]
    clock.advance(minutes=1)
    assert outputs(late) == [{"why": "late"}]
    with pytest.raises(AnsweredError, match=r"the end of its time has answered first\.no"):
        late.deliver("first", "yes")


def test_what_is_expected_twice_fails_the_job() -> None:
    """In one attempt by an error of the handler; by two invocations at the commit."""
    job = approvals.execute("approve", {"keys": ["a", "a"]}).wait(LIMIT)
    assert job.error is not None
    assert "is expected twice: give each its own key" in job.error["message"]
    job = asking("a")
    (number,) = (one.invocation for one in job.expectations)
    again = job.fork([1])
    eventually(lambda: again.counts["expected"] == 1)
    with pytest.raises(JobStateError, match="an answer that the job still expects"):
        job.fork([number])
    with pytest.raises(JobStateError, match="waits for an answer from outside"):
        job.edit(number, {"x": 1})


def test_reminders_are_in_the_history(clock: VirtualClock) -> None:
    """Until the answer."""
    job = asking(remind=3600)
    for _ in range(2):
        clock.advance(hours=1)
        clock.run_until_quiet()
    assert kinds(job).count("reminded") == 2
    job.cancel()


def test_the_command_line_lists_and_answers(shell: Shell) -> None:
    """The oldest first, by assignee, flow or job."""
    first = asking("k1", assign=["cli"], form=True)
    second = asking(assign=["cli"])
    table = shell.run("expects", "--assign", "cli").stdout
    assert table.index(first.job_id) < table.index(second.job_id)
    assert "approve.decision for 'k1'" in table
    listed = json.loads(shell.run("expects", "--assign", "cli", "--limit", "1", "--json").stdout)
    assert [one["job_id"] for one in listed["expectations"]] == [first.job_id]
    assert listed["expectations"][0]["form"]["required"] == ["approved"]
    rest = shell.run("expects", "--assign", "cli", "--cursor", listed["cursor"], "--json").stdout
    assert [one["job_id"] for one in json.loads(rest)["expectations"]] == [second.job_id]
    assert second.job_id in shell.run("expects", "--job", second.job_id).stdout
    assert "nothing expects" in shell.run("expects", "--flow", "none").stdout
    answer = ("deliver", first.job_id, "approve", "decision", "--key", "k1")
    assert (
        "approved must be of type boolean"
        in shell.run(*answer, "--param", "approved=7", code=1).stderr
    )
    shell.run(*answer, "--params", '{"approved": true}', "--by", "kim")
    assert first.wait(LIMIT).status == "completed"
    assert "kim has answered" in shell.run(*answer, "--param", "approved=true", code=1).stderr
    second.cancel()
