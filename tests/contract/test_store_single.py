"""One job at a time: its key is free when it ends, and those that wait have their turns."""

from __future__ import annotations

from typing import Any

import pytest

from flowforge.codec.binary import pack_record
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.keyed_submission import FullKey, NewerJob, Placed
from tests.contract.bench import Bench, record
from tests.contract.keyed import call, keyed, messages, run
from tests.support.virtual_clock import VirtualClock

BY = pack_record("anna")


def single(bench: Bench, when: str = "queue", **changes: Any) -> Placed:
    return call(bench, **{"single": "k", "when_running": when, **changes})


def places(bench: Bench) -> list[str]:
    """The jobs of the key in the order of their turns."""
    return [job.decode() for job in bench.link.call("ZRANGE", bench.key("single", "k"), 0, -1)]


# --- skip ------------------------------------------------------------------------------------


def test_skip_returns_the_job_that_has_the_key(timed_bench: Bench) -> None:
    """Until it has ended; then a call creates a job again."""
    first = single(timed_bench, "skip")
    assert single(timed_bench, "skip") == (first.job_id, "single", 1)
    run(timed_bench, first.job_id)
    assert places(timed_bench) == []
    assert single(timed_bench, "skip").how == "created"


@pytest.mark.parametrize("ends", ["cancel", "fail", "complete", "quarantine", "skip"])
def test_whatever_ends_a_job_frees_its_key(timed_bench: Bench, ends: str) -> None:
    """The next one in the queue goes on in the same script."""
    first, second = single(timed_bench), single(timed_bench)
    assert messages(timed_bench) == [first.job_id]
    if ends == "cancel":
        assert timed_bench.store.control.cancel(first.job_id, "") is Answer.OK
    elif ends == "skip":
        timed_bench.pause(first.job_id)
        timed_bench.claim(first.job_id, "1.0.0")
        assert timed_bench.skip(first.job_id, "1.0.0") is Answer.OK
        assert timed_bench.store.control.resume(first.job_id) is Answer.OK
    else:
        timed_bench.start(first.job_id)
        if ends == "fail":
            timed_bench.fail(first.job_id)
        elif ends == "complete":
            timed_bench.commit(first.job_id)
        else:
            for member in timed_bench.members("leases"):
                timed_bench.link.call("ZADD", timed_bench.key("leases"), 1, member)
            assert timed_bench.reclaim(1, 10) == (0, 1, 0)
    assert places(timed_bench) == [second.job_id]
    assert "held" not in timed_bench.row(second.job_id)
    assert second.job_id in messages(timed_bench)
    run(timed_bench, second.job_id)


def test_an_idempotency_key_comes_first(timed_bench: Bench) -> None:
    """A call that was skipped has not taken its own."""
    first = single(timed_bench, "skip", idempotency_key="a")
    assert single(timed_bench, "skip", idempotency_key="b").how == "single"
    assert single(timed_bench, "skip", idempotency_key="a") == (first.job_id, "key", 1)
    run(timed_bench, first.job_id)
    assert single(timed_bench, "skip", idempotency_key="a") == (first.job_id, "key", 1)
    assert single(timed_bench, "skip", idempotency_key="b").how == "created"


# --- queue -----------------------------------------------------------------------------------


def test_jobs_have_their_turns_in_the_order_of_their_calls(timed_bench: Bench) -> None:
    """One at a time; until then a job is pending, and what it has is parked."""
    jobs = [single(timed_bench).job_id for _ in range(4)]
    row = timed_bench.row(jobs[1])
    assert (row["status"], row["held"], row["waiting"], row["queued"]) == ("pending", "1", "1", "0")
    for job in jobs:
        assert messages(timed_bench) == [job]
        run(timed_bench, job)
    assert places(timed_bench) == []
    assert list(timed_bench.members("timers")) == []
    kinds = [kind for kind, _ in timed_bench.history(jobs[1])]
    assert kinds == ["held", "turn", "completed"]


def test_a_job_that_waits_can_be_cancelled(timed_bench: Bench) -> None:
    """The others keep their order."""
    jobs = [single(timed_bench).job_id for _ in range(3)]
    assert timed_bench.store.control.cancel(jobs[1], "") is Answer.OK
    assert places(timed_bench) == [jobs[0], jobs[2]]
    assert list(timed_bench.members("timers")) == [f"{jobs[2]}/look"]
    run(timed_bench, jobs[0])
    assert messages(timed_bench) == [jobs[2]]


def test_a_queue_is_bounded(timed_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """One job too many creates none of the call's jobs."""
    monkeypatch.setattr("flowforge.store.transitions.keyed_submission.MOST_WAITING", 2)
    jobs = [single(timed_bench).job_id for _ in range(3)]
    refused = keyed(timed_bench, single="k", when_running="queue")
    assert refused.send(timed_bench) == FullKey(0)
    assert places(timed_bench) == jobs
    assert timed_bench.hash("job", refused.job.job.job_id) == {}
    run(timed_bench, jobs[0])
    assert single(timed_bench).how == "created"


def test_nothing_of_a_job_that_waits_can_be_started(timed_bench: Bench) -> None:
    """Not by a pause and a resume, a look, a timer or a person."""
    first, second = single(timed_bench), single(timed_bench, mode="+1000 :")
    timed_bench.pause(second.job_id)
    assert timed_bench.store.control.resume(second.job_id) is Answer.OK
    assert timed_bench.store.mending.run_now(second.job_id, "", BY) is Answer.OK
    timed_bench.make_due()
    timed_bench.store.upkeep.release_due(100)
    assert messages(timed_bench) == [first.job_id]
    run(timed_bench, first.job_id)
    assert messages(timed_bench) == [second.job_id]


def test_a_turn_does_not_start_a_job_early(timed_bench: Bench, clock: VirtualClock) -> None:
    """The key is taken at submission, and a job that is put off keeps the others waiting."""
    first = single(timed_bench)
    later, last = single(timed_bench, mode="+60000 :"), single(timed_bench)
    run(timed_bench, first.job_id)
    assert messages(timed_bench) == []
    clock.advance(minutes=1)
    assert messages(timed_bench) == [later.job_id]
    run(timed_bench, later.job_id)
    assert messages(timed_bench) == [last.job_id]


def test_a_paused_job_keeps_its_key(timed_bench: Bench) -> None:
    """One that is paused while it waits has its turn, and goes on with the resume."""
    first, second, third = (single(timed_bench).job_id for _ in range(3))
    timed_bench.pause(first)
    timed_bench.pause(second)
    assert messages(timed_bench) == [first]
    assert timed_bench.store.control.cancel(first, "") is Answer.OK
    assert places(timed_bench) == [second, third]
    assert second not in messages(timed_bench)
    assert timed_bench.store.control.resume(second) is Answer.OK
    assert second in messages(timed_bench)
    assert third not in messages(timed_bench)


def test_a_job_on_several_queues_has_its_turn(timed_bench: Bench) -> None:
    """What is parked there lies in lanes."""
    first = keyed(timed_bench, single="k", when_running="queue")
    second = keyed(timed_bench, single="k", when_running="queue")
    fields = {**timed_bench.fields(), "queues": 2}
    for one in (first, second):
        timed_bench.store.keyed_submissions.submit(one.common, [one.job], 8192, fields)
    assert messages(timed_bench) == [first.job.job.job_id]
    run(timed_bench, first.job.job.job_id)
    assert messages(timed_bench) == [second.job.job.job_id]
    run(timed_bench, second.job.job.job_id)


def test_a_call_that_is_sent_twice_has_one_place(timed_bench: Bench) -> None:
    """Whether its job waits or runs."""
    for when in ("queue", "replace", "queue"):
        one = keyed(timed_bench, single="k", when_running=when)
        assert one.send(timed_bench) == one.send(timed_bench)
    assert len(places(timed_bench)) == 2


# --- replace ---------------------------------------------------------------------------------


def test_replace_cancels_the_job_that_runs(timed_bench: Bench) -> None:
    """The new one has its place, before those that wait."""
    first, waits = single(timed_bench), single(timed_bench)
    timed_bench.start(first.job_id)
    second = single(timed_bench, "replace")
    row = timed_bench.row(first.job_id)
    assert (row["status"], row["reason"]) == ("cancelled", f"replaced by job {second.job_id}")
    assert timed_bench.commit(first.job_id) == "dropped"
    assert places(timed_bench) == [second.job_id, waits.job_id]
    assert messages(timed_bench) == [second.job_id]
    assert timed_bench.history(second.job_id) == [("replaced", "")]
    run(timed_bench, second.job_id)
    assert messages(timed_bench) == [waits.job_id]


# --- retry -----------------------------------------------------------------------------------


def test_a_retry_waits_for_the_job_that_runs(timed_bench: Bench) -> None:
    """At the end of the queue; all that it had goes on with its turn."""
    first = single(timed_bench, "skip").job_id
    timed_bench.start(first)
    timed_bench.commit(first, emitted=[(1, 0, ""), (1, 1, "")])
    timed_bench.start(first, "2.1.0")
    timed_bench.fail(first, "2.1.0")
    second, third = single(timed_bench).job_id, single(timed_bench).job_id
    assert timed_bench.store.control.retry(first) is Answer.OK
    # A message that was there before the failure starts nothing either.
    assert timed_bench.claim(first, "3.1.1") == "paused"
    assert places(timed_bench) == [second, third, first]
    assert messages(timed_bench) == [second]
    run(timed_bench, second)
    run(timed_bench, third)
    timed_bench.store.upkeep.release_due(100)
    assert messages(timed_bench) == [first, first]
    for invocation in ("2.1.0", "3.1.1"):
        timed_bench.start(first, invocation)
        timed_bench.commit(first, invocation)
    assert timed_bench.row(first)["status"] == "completed"
    assert places(timed_bench) == []


def test_a_retry_alone_goes_on_at_once(timed_bench: Bench) -> None:
    """It has the key again, and others wait for it."""
    first = single(timed_bench, "skip").job_id
    timed_bench.start(first)
    timed_bench.fail(first)
    assert places(timed_bench) == []
    assert timed_bench.store.control.retry(first) is Answer.OK
    assert messages(timed_bench) == [first]
    assert single(timed_bench, "skip").job_id == first


@pytest.mark.parametrize("ends_first", [True, False])
def test_a_job_that_fails_while_it_waits_can_be_retried(
    timed_bench: Bench, clock: VirtualClock, ends_first: bool
) -> None:
    """It has missed its deadline; behind the job that has the key, or at once without one."""
    first = single(timed_bench).job_id
    second = single(timed_bench, deadlines="1000 ").job_id
    clock.advance(seconds=2)
    assert timed_bench.status(second) == "failed"
    assert places(timed_bench) == [first]
    assert list(timed_bench.members("timers")) == []
    if ends_first:
        run(timed_bench, first)
        assert timed_bench.store.control.retry(second) is Answer.OK
    else:
        assert timed_bench.store.control.retry(second) is Answer.OK
        assert places(timed_bench) == [first, second]
        run(timed_bench, first)
    assert messages(timed_bench) == [second]
    run(timed_bench, second)


def test_a_job_that_fails_as_it_is_submitted_waits_for_nothing(timed_bench: Bench) -> None:
    """Its entry is a join that nothing else can fill."""
    first = single(timed_bench).job_id
    one = keyed(timed_bench, single="k", when_running="queue", mode="j2:", definition="joins")
    fields = timed_bench.fields("0.0 count 0 fail 0")
    timed_bench.store.keyed_submissions.submit(one.common, [one.job], 8192, fields)
    job_id = one.job.job.job_id
    assert timed_bench.status(job_id) == "failed"
    assert "held" not in timed_bench.row(job_id)
    assert places(timed_bench) == [first]
    assert list(timed_bench.members("timers")) == []


def test_a_fork_waits_for_the_job_that_has_the_key(timed_bench: Bench) -> None:
    """With all that it begins with."""
    first = single(timed_bench).job_id
    request = timed_bench.submission()
    copies = [(0, 0, "", record(n=1)), (1, 0, "", record(n=2))]
    for _ in range(2):
        assert timed_bench.fork(request, first, copies) is Answer.OK
    assert places(timed_bench) == [first, request.job_id]
    assert messages(timed_bench) == [first]
    run(timed_bench, first)
    assert messages(timed_bench) == [request.job_id] * 2
    # One of a job that has ended has the key at once.
    timed_bench.store.control.cancel(request.job_id, "")
    request = timed_bench.submission()
    assert timed_bench.fork(request, first, copies) is Answer.OK
    assert "held" not in timed_bench.row(request.job_id)
    assert single(timed_bench, "skip").job_id == request.job_id


# --- what is damaged or of another release ---------------------------------------------------


def test_a_job_that_is_gone_loses_its_place(timed_bench: Bench, clock: VirtualClock) -> None:
    """Its row was deleted by hand: the upkeep sees it within a minute, a call at once."""
    first, second, third = (single(timed_bench).job_id for _ in range(3))
    timed_bench.link.call("DEL", timed_bench.key("job", first))
    clock.advance(seconds=61)
    assert places(timed_bench) == [second, third]
    assert second in messages(timed_bench)
    timed_bench.link.call("DEL", timed_bench.key("job", second))
    assert single(timed_bench, "skip").job_id == third


def test_the_look_goes_on_while_one_waits(timed_bench: Bench, clock: VirtualClock) -> None:
    """Once a minute, for the first one that waits alone."""
    first, second, _ = (single(timed_bench).job_id for _ in range(3))
    for _ in range(3):
        assert list(timed_bench.members("timers")) == [f"{second}/look"]
        clock.advance(seconds=61)
    assert places(timed_bench)[0] == first


def test_a_job_of_a_later_release_keeps_its_key(timed_bench: Bench) -> None:
    """Nothing is done to it, and no call may wait for it or replace it."""
    first = single(timed_bench).job_id
    timed_bench.link.call("HSET", timed_bench.key("job", first), "v", 99)
    assert single(timed_bench, "skip").job_id == first
    for when in ("queue", "replace"):
        assert keyed(timed_bench, single="k", when_running=when).send(timed_bench) == NewerJob(
            first
        )


def test_a_job_that_is_debounced_has_a_turn(timed_bench: Bench, clock: VirtualClock) -> None:
    """It takes calls until its own time; then it waits for the one that runs."""
    runs = single(timed_bench).job_id
    timed_bench.start(runs)
    first = single(timed_bench, debounce="d")
    assert single(timed_bench, debounce="d")[:2] == (first.job_id, "debounce")
    timed_bench.make_due()
    timed_bench.store.upkeep.release_due(100)
    assert messages(timed_bench) == []
    last = single(timed_bench, debounce="d")
    assert last.how == "created"
    timed_bench.commit(runs)
    assert messages(timed_bench) == [first.job_id]
    run(timed_bench, first.job_id)
    assert messages(timed_bench) == []
    clock.advance(seconds=5)
    assert messages(timed_bench) == [last.job_id]
