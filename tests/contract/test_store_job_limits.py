"""Limits of a flow: a job has one place from its begin to its end, whatever ends it."""

from __future__ import annotations

import pytest

from flowforge.codec.binary import pack_record
from flowforge.model.limit import LimitSettings
from flowforge.model.times.start import Start
from flowforge.store.fleet_reads.outbox import Outbox
from flowforge.store.job_reads.undo import Undos
from flowforge.store.server.link import Argument
from flowforge.store.transitions.answers import Answer
from tests.contract.bench import UNDO, WAITER, Bench, record, started
from tests.contract.keyed import call
from tests.contract.limit_work import (
    at,
    declare,
    finish,
    keys_left,
    places,
    pop,
    sent,
    submit,
    submit_whole,
    waiting,
    whole,
)
from tests.support.virtual_clock import VirtualClock

BY = pack_record("anna")


def held(bench: Bench, job: str) -> bool:
    return "held" in bench.row(job)


def limited_child(bench: Bench) -> list[Argument]:
    """A job ``child`` for a commit to start."""
    request = bench.submission(job_id="child", definition="def-child", mode=whole("api"))
    return started(request, {**bench.fields(), "uses": "j"}, WAITER)


def fork_of(bench: Bench, origin: str, copies: int) -> str:
    request = bench.submission()
    assert bench.fork(request, origin, [(1, 0, "", record())] * copies) == "ok"
    return request.job_id


def look(bench: Bench) -> tuple[int, int]:
    """The upkeep looks at all keys."""
    for key in bench.members("limit_keys"):
        bench.link.call("ZADD", bench.key("limit_keys"), 0, key)
    return bench.store.limits.look(100, 300_000)


def release(bench: Bench) -> None:
    """What is due is done."""
    bench.store.upkeep.release_due(100)


# --- one place for each job --------------------------------------------------------------------


def test_a_job_has_its_place_until_it_ends(timed_bench: Bench) -> None:
    """Not only its first invocation; the next one begins in the script that ends it."""
    declare(timed_bench, running=1)
    first, second, third = [submit_whole(timed_bench) for _ in range(3)]
    assert sent(timed_bench) == [first]
    assert waiting(timed_bench) == [second, third]
    row = timed_bench.row(second)
    assert (row["v"], row["held"], row["waiting"], row["limits"]) == ("5", "1", "1", "api")
    pop(timed_bench)
    timed_bench.start(first)
    timed_bench.commit(first, emitted=[(1, 0, "")] * 2)
    assert list(timed_bench.members("limit_places", "api")) == [f"{first}/0.0.0/"]
    for invocation in ("2.1.0", "3.1.0"):
        assert held(timed_bench, second)
        timed_bench.start(first, invocation)
        timed_bench.commit(first, invocation)
    assert timed_bench.status(first) == "completed"
    assert places(timed_bench) == [second]
    assert not held(timed_bench, second)
    assert waiting(timed_bench) == [third]


def test_nothing_is_left_of_jobs_that_have_ended(timed_bench: Bench, clock: VirtualClock) -> None:
    """At the key and of the jobs; the look of the upkeep forgets the key."""
    declare(timed_bench, running=1, rate=1, period_ms=1000)
    jobs = [submit_whole(timed_bench) for _ in range(3)]
    for job in jobs:
        clock.advance(seconds=2)
        finish(timed_bench, job)
    clock.advance(seconds=20)
    assert keys_left(timed_bench) <= {"limits:n", "limits:home"}
    assert [timed_bench.hash("limited", job) for job in jobs] == [{}, {}, {}]


@pytest.mark.parametrize(
    "end", ["complete", "fail", "cancel", "quarantine", "skip", "late", "delete", "expire"]
)
def test_whatever_ends_a_job_gives_its_place_on(
    timed_bench: Bench, clock: VirtualClock, end: str
) -> None:
    """The next job has it in the same script, and the one that has ended has none."""
    declare(timed_bench, running=1)
    deadlines = " 5000" if end == "late" else ""
    first = submit_whole(timed_bench, deadlines=deadlines)
    second = submit_whole(timed_bench)
    if end == "cancel":
        assert timed_bench.store.control.cancel(first, "") is Answer.OK
    elif end == "late":
        clock.advance(seconds=6)
    elif end == "skip":
        timed_bench.pause(first)
        timed_bench.claim(first, "1.0.0")
        assert timed_bench.skip(first, "1.0.0") is Answer.OK
        assert timed_bench.store.control.resume(first) is Answer.OK
    else:
        timed_bench.start(first)
        if end == "quarantine":
            for member in timed_bench.members("leases"):
                timed_bench.link.call("ZADD", timed_bench.key("leases"), 1, member)
            assert timed_bench.reclaim(1, 10) == (0, 1, 0)
        elif end == "fail":
            timed_bench.fail(first)
        else:
            timed_bench.commit(first)
    if end == "delete":
        assert timed_bench.store.control.delete(first) is Answer.OK
    if end == "expire":
        timed_bench.link.call("DEL", timed_bench.key("job", first))
    assert places(timed_bench) == [second]
    assert not held(timed_bench, second)
    assert second in sent(timed_bench)
    finish(timed_bench, second)
    assert places(timed_bench) == []


def test_nothing_of_a_job_that_waits_can_be_started(timed_bench: Bench) -> None:
    """Not by a pause and a resume, a look, a timer or a person; its turn stays."""
    declare(timed_bench, running=1)
    first = submit_whole(timed_bench)
    second, third = submit_whole(timed_bench), submit_whole(timed_bench)
    timed_bench.pause(second)
    assert timed_bench.store.control.resume(second) is Answer.OK
    assert timed_bench.store.mending.run_now(second, "1.0.0", BY) is Answer.PARKED
    look(timed_bench)
    timed_bench.make_due()
    release(timed_bench)
    assert sent(timed_bench) == [first]
    pop(timed_bench)
    finish(timed_bench, first)
    assert sent(timed_bench) == [second]
    assert waiting(timed_bench) == [third]


def test_a_paused_job_keeps_its_place(timed_bench: Bench) -> None:
    """One that waits lets the others go before it, and has its old turn when it goes on."""
    declare(timed_bench, running=1)
    first, second, third, fourth = [submit_whole(timed_bench) for _ in range(4)]
    timed_bench.pause(first)
    timed_bench.pause(second)
    assert places(timed_bench) == [first]
    timed_bench.store.control.resume(first)
    finish(timed_bench, first)
    assert places(timed_bench) == [third]
    assert waiting(timed_bench) == [fourth]
    assert timed_bench.store.control.resume(second) is Answer.OK
    assert waiting(timed_bench) == [second, fourth]
    for job in (third, second, fourth):
        finish(timed_bench, job)
    assert places(timed_bench) == []


def test_a_job_that_waits_can_be_cancelled(timed_bench: Bench) -> None:
    """It leaves the line."""
    declare(timed_bench, running=1)
    jobs = [submit_whole(timed_bench) for _ in range(3)]
    assert timed_bench.store.control.cancel(jobs[1], "") is Answer.OK
    assert waiting(timed_bench) == [jobs[2]]
    finish(timed_bench, jobs[0])
    assert places(timed_bench) == [jobs[2]]


def test_its_deadlines_run_while_it_waits(timed_bench: Bench, clock: VirtualClock) -> None:
    """They count from the submission."""
    declare(timed_bench, running=1)
    submit_whole(timed_bench)
    late = submit_whole(timed_bench, deadlines="5000 ")
    clock.advance(seconds=6)
    assert timed_bench.status(late) == "failed"
    assert waiting(timed_bench) == []
    assert not held(timed_bench, late)


def test_a_job_that_is_put_off_has_no_place_before_its_time(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """Its turn is that of when it is due."""
    declare(timed_bench, running=1)
    later = submit_whole(timed_bench, mode="+60000 :")
    first, second = submit_whole(timed_bench), submit_whole(timed_bench)
    assert places(timed_bench) == [first]
    clock.advance(minutes=1)
    assert waiting(timed_bench) == [second, later]
    for job in (first, second, later):
        finish(timed_bench, job)
    assert places(timed_bench) == []


@pytest.mark.parametrize("single", [False, True])
def test_nothing_gives_a_job_its_place_before_its_time(
    timed_bench: Bench, clock: VirtualClock, single: bool
) -> None:
    """Neither a pause and a resume, nor its turn among the jobs of a key, nor a new time."""
    declare(timed_bench, running=1)
    if single:
        submit_whole(timed_bench, "other")
        mode = whole("api", mode="+60000 :")
        later = call(timed_bench, single="k", when_running="queue", mode=mode).job_id
    else:
        later = submit_whole(timed_bench, mode="+60000 :")
    timed_bench.pause(later)
    assert timed_bench.store.control.resume(later) is Answer.OK
    look(timed_bench)
    assert (places(timed_bench), waiting(timed_bench)) == ([], [])
    clock.advance(seconds=30)
    moved = timed_bench.store.mending.reschedule(later, "", Start("+", 60_000), BY)
    assert moved is Answer.OK
    clock.advance(seconds=40)
    assert places(timed_bench) == []
    clock.advance(seconds=20)
    assert places(timed_bench) == [later]
    finish(timed_bench, later)


@pytest.mark.parametrize("how", ["run_now", "skip", "cancel"])
def test_a_job_that_is_put_off_may_begin_earlier(timed_bench: Bench, how: str) -> None:
    """By a person: it has its place then."""
    declare(timed_bench, running=1)
    later = submit_whole(timed_bench, mode="+60000 :")
    if how == "run_now":
        assert timed_bench.store.mending.run_now(later, "", BY) is Answer.OK
    elif how == "cancel":
        assert timed_bench.store.control.cancel(later, "") is Answer.OK
    else:
        assert timed_bench.skip(later, "1.0.0", emitted=[(1, 0, "")]) is Answer.OK
    assert places(timed_bench) == ([] if how == "cancel" else [later])
    assert held(timed_bench, later) is False


def test_a_retry_takes_a_place_again(timed_bench: Bench) -> None:
    """Or waits for one, behind the others; what it has goes on when it has it."""
    declare(timed_bench, running=1)
    first, second, third = [submit_whole(timed_bench) for _ in range(3)]
    timed_bench.start(first)
    timed_bench.fail(first)
    assert timed_bench.store.control.retry(first) is Answer.OK
    assert timed_bench.status(first) == "running"
    assert waiting(timed_bench) == [third, first]
    finish(timed_bench, second)
    finish(timed_bench, third)
    assert places(timed_bench) == [first]
    finish(timed_bench, first, token="u")
    assert timed_bench.status(first) == "completed"
    assert places(timed_bench) == []


def test_a_retry_with_a_free_place_goes_on_at_once(timed_bench: Bench) -> None:
    declare(timed_bench, running=1)
    job = submit_whole(timed_bench)
    timed_bench.start(job)
    timed_bench.fail(job)
    assert places(timed_bench) == []
    assert timed_bench.store.control.retry(job) is Answer.OK
    assert places(timed_bench) == [job]
    finish(timed_bench, job, token="u")


def test_a_fork_counts_where_its_origin_does(timed_bench: Bench) -> None:
    """Also when that has ended; it waits with all of its deliveries."""
    declare(timed_bench, running=1)
    origin = submit_whole(timed_bench)
    finish(timed_bench, origin)
    other = submit_whole(timed_bench)
    fork = fork_of(timed_bench, origin, 2)
    assert waiting(timed_bench) == [fork]
    assert timed_bench.row(fork)["waiting"] == "2"
    finish(timed_bench, other)
    assert places(timed_bench) == [fork]
    assert timed_bench.counters(fork)[:3] == (2, 0, 0)


def test_many_jobs_are_submitted_as_one(timed_bench: Bench) -> None:
    """Each has its own place."""
    declare(timed_bench, running=2)
    requests = [timed_bench.submission(mode=whole("api")) for _ in range(4)]
    fields = {**timed_bench.fields(), "uses": "j"}
    jobs = [request.job for request in requests]
    ids = timed_bench.store.submissions.submit(requests[0].common, jobs, fields)
    assert ids is not None
    assert sent(timed_bench) == ids[:2]
    assert waiting(timed_bench) == ids[2:]


def test_a_submission_that_is_sent_twice_has_one_place(timed_bench: Bench) -> None:
    declare(timed_bench, running=2)
    request = timed_bench.submission(mode=whole("api"))
    for _ in range(2):
        assert timed_bench.send(request, {**timed_bench.fields(), "uses": "j"}) == request.job_id
    assert places(timed_bench) == [request.job_id]
    assert waiting(timed_bench) == []


# --- what a full limit says --------------------------------------------------------------------


def test_drop_cancels_what_finds_no_place(timed_bench: Bench) -> None:
    """At once: the caller has the handle of a job that has ended."""
    declare(timed_bench, running=1, when_full="drop")
    first, second = submit_whole(timed_bench), submit_whole(timed_bench)
    row = timed_bench.row(second)
    assert (row["status"], row["reason"]) == ("cancelled", "the limit api is full")
    assert [kind for kind, _ in timed_bench.history(second)] == ["dropped_at_limit", "cancelled"]
    assert places(timed_bench) == [first]
    assert list(timed_bench.members("timers")) == []


def test_fail_fails_it_until_it_is_retried(timed_bench: Bench) -> None:
    declare(timed_bench, running=1, when_full="fail")
    first, second = submit_whole(timed_bench), submit_whole(timed_bench)
    row = timed_bench.row(second)
    assert (row["status"], row["reason"]) == ("failed", "the limit api is full")
    assert timed_bench.store.control.retry(second) is Answer.OK
    assert timed_bench.status(second) == "failed"
    finish(timed_bench, first)
    assert timed_bench.store.control.retry(second) is Answer.OK
    assert places(timed_bench) == [second]
    finish(timed_bench, second)


def test_replace_cancels_the_job_that_began_first(timed_bench: Bench, clock: VirtualClock) -> None:
    declare(timed_bench, running=2, when_full="replace")
    jobs = []
    for _ in range(3):
        jobs.append(submit_whole(timed_bench))
        clock.advance(seconds=1)
    row = timed_bench.row(jobs[0])
    assert (row["status"], row["reason"]) == ("cancelled", f"replaced by job {jobs[2]}")
    assert places(timed_bench) == jobs[1:]
    assert not held(timed_bench, jobs[2])
    for job in jobs[1:]:
        finish(timed_bench, job)


def test_replace_waits_for_what_is_no_job(timed_bench: Bench) -> None:
    """A step of another flow has the place: it ends, and then the job begins."""
    declare(timed_bench, running=1, when_full="replace")
    step = submit(timed_bench, definition="steps")
    timed_bench.start(step)
    job = submit_whole(timed_bench)
    assert waiting(timed_bench) == [job]
    timed_bench.commit(step)
    assert places(timed_bench) == [job]


@pytest.mark.parametrize("policy", ["drop", "fail"])
def test_what_is_due_later_is_refused_then(
    timed_bench: Bench, clock: VirtualClock, policy: str
) -> None:
    declare(timed_bench, running=1, when_full=policy)
    submit_whole(timed_bench)
    later = submit_whole(timed_bench, mode="+60000 :")
    assert timed_bench.status(later) == "pending"
    clock.advance(minutes=1)
    assert timed_bench.status(later) == ("cancelled" if policy == "drop" else "failed")


# --- rates and several limits ------------------------------------------------------------------


def test_a_rate_counts_started_jobs(timed_bench: Bench, clock: VirtualClock) -> None:
    """Not their steps; one timer lets the next ones begin."""
    declare(timed_bench, rate=2, period_ms=60_000)
    jobs = [submit_whole(timed_bench) for _ in range(4)]
    assert sent(timed_bench) == jobs[:1]
    began = []
    for _ in range(10):
        clock.advance(seconds=10)
        began.append(len(places(timed_bench)))
    assert began == [1, 1, 2, 2, 2, 3, 3, 3, 4, 4]
    assert [member for member in timed_bench.members("timers") if "limit" in member] == []


def test_a_start_that_is_given_early_waits_in_the_worker(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """Up to 250 ms; and the claim tells for how long the job has waited."""
    declare(timed_bench, rate=2, period_ms=1000)
    first, second = submit_whole(timed_bench), submit_whole(timed_bench)
    began = timed_bench.members("limit_places", "api")[f"{first}/0.0.0/"]
    assert timed_bench.start(first).rests_ms == 0
    timed_bench.commit(first)
    clock.advance(milliseconds=260)
    start, waited = map(int, timed_bench.hash("limited", second)["s0.0.0"].split())
    assert start >= began + 500
    assert waited > 200
    later = f"{start + 60_000} {waited}"
    timed_bench.link.call("HSET", timed_bench.key("limited", second), "s0.0.0", later)
    claim = timed_bench.start(second)
    assert claim.rests_ms > 30_000
    assert claim.limited_ms == waited
    assert timed_bench.hash("limited", second)["s0.0.0"] == f"{start + 60_000} 0".encode()


def test_no_claim_of_a_retried_job_starts_before_its_rate(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """It has started before, and several of its invocations are claimed."""
    declare(timed_bench, rate=2, period_ms=60_000)
    job = submit_whole(timed_bench)
    timed_bench.start(job)
    assert timed_bench.commit(job, emitted=[(0, 0, "")] * 3) == "ok"
    timed_bench.start(job, "2.0.0")
    timed_bench.fail(job, "2.0.0")
    assert timed_bench.store.control.retry(job) is Answer.OK
    assert waiting(timed_bench) == [job]
    clock.advance(seconds=31)
    start, waited = map(int, timed_bench.hash("limited", job)["s0.0.0"].split())
    limited = timed_bench.key("limited", job)
    timed_bench.link.call("HSET", limited, "s0.0.0", f"{start + 60_000} {waited}")
    rests = [timed_bench.start(job, f"{n}.0.0", token=f"t{n}").rests_ms for n in (2, 3)]
    assert all(ms > 30_000 for ms in rests)
    for n in (2, 3):
        assert timed_bench.commit(job, f"{n}.0.0", token=f"t{n}") == "ok"
    clock.advance(minutes=2)
    assert timed_bench.start(job, "4.0.0", token="t4").rests_ms == 0
    assert timed_bench.row(job)["uses"] == "j"
    assert "s0.0.0" not in timed_bench.hash("limited", job)


def test_several_limits_are_taken_together(timed_bench: Bench) -> None:
    """What waits for one holds nothing of the others."""
    declare(timed_bench, "a", running=1)
    declare(timed_bench, "b", running=1)
    first = submit_whole(timed_bench, "a")
    both = submit_whole(timed_bench, "a", "b")
    assert waiting(timed_bench, "a") == [both]
    other = submit_whole(timed_bench, "b")
    assert places(timed_bench, "b") == [other]
    finish(timed_bench, first)
    assert (waiting(timed_bench, "a"), waiting(timed_bench, "b")) == ([], [both])
    assert places(timed_bench, "a") == []
    finish(timed_bench, other)
    assert (places(timed_bench, "a"), places(timed_bench, "b")) == ([both], [both])
    finish(timed_bench, both)
    assert (places(timed_bench, "a"), places(timed_bench, "b")) == ([], [])


def test_a_second_limit_that_drops_is_asked_when_the_first_has_room(timed_bench: Bench) -> None:
    declare(timed_bench, "a", running=1)
    declare(timed_bench, "b", running=1, when_full="drop")
    first, other = submit_whole(timed_bench, "a"), submit_whole(timed_bench, "b")
    both = submit_whole(timed_bench, "a", "b")
    finish(timed_bench, first)
    release(timed_bench)
    assert timed_bench.status(both) == "cancelled"
    assert places(timed_bench, "b") == [other]


def test_steps_of_the_job_may_have_limits_too(timed_bench: Bench) -> None:
    """Other ones: both are given back, each at its end."""
    declare(timed_bench, "a", running=1)
    declare(timed_bench, "step", running=1)
    job = submit_whole(timed_bench, "a", uses="lj", mode=at("step"))
    other = submit_whole(timed_bench, "a", uses="lj", mode=at("step"))
    assert places(timed_bench, "step") == [job]
    timed_bench.start(job)
    timed_bench.commit(job, emitted=[(1, 0, at("step"))])
    assert list(timed_bench.members("limit_places", "step")) == [f"{job}/2.1.0"]
    timed_bench.start(job, "2.1.0")
    timed_bench.commit(job, "2.1.0")
    assert places(timed_bench, "a") == [other]
    assert places(timed_bench, "step") == [other]
    finish(timed_bench, other)
    assert timed_bench.status(other) == "completed"


def test_a_single_key_comes_before_the_limit(timed_bench: Bench) -> None:
    """What waits for its turn among the jobs of its key takes no place of the limit."""
    declare(timed_bench, running=1)
    other = submit_whole(timed_bench)
    single = {"single": "k", "when_running": "queue", "mode": whole("api")}
    first, second = (call(timed_bench, **single).job_id for _ in range(2))
    assert waiting(timed_bench) == [first]
    finish(timed_bench, other)
    assert places(timed_bench) == [first]
    finish(timed_bench, first)
    assert places(timed_bench) == [second]
    finish(timed_bench, second)
    assert [places(timed_bench), waiting(timed_bench)] == [[], []]


def test_a_single_job_that_is_replaced_gives_its_place_to_the_new_one(timed_bench: Bench) -> None:
    declare(timed_bench, running=1)
    submit_whole(timed_bench, "other")
    single = {"single": "k", "when_running": "replace", "mode": whole("api")}
    first, second = (call(timed_bench, **single).job_id for _ in range(2))
    assert timed_bench.status(first) == "cancelled"
    assert places(timed_bench) == [second]
    assert not held(timed_bench, second)


# --- child jobs --------------------------------------------------------------------------------


def test_a_child_job_waits_for_its_place(timed_bench: Bench) -> None:
    """While its parent is paused it is in no line; then it has the turn that it had."""
    declare(timed_bench, running=1)
    first = submit_whole(timed_bench)
    parent = timed_bench.submit(definition="parents")
    timed_bench.start(parent)
    timed_bench.commit(parent, jobs=[limited_child(timed_bench)])
    assert waiting(timed_bench) == ["child"]
    timed_bench.pause(parent)
    finish(timed_bench, first)
    assert places(timed_bench) == []
    assert timed_bench.store.control.resume(parent) is Answer.OK
    release(timed_bench)
    assert places(timed_bench) == ["child"]
    finish(timed_bench, "child")
    assert places(timed_bench) == []


def test_a_child_job_that_waits_ends_with_its_parent(timed_bench: Bench) -> None:
    """It is in no line any more."""
    declare(timed_bench, running=1)
    first = submit_whole(timed_bench)
    parent = timed_bench.submit(definition="parents")
    timed_bench.start(parent)
    timed_bench.commit(parent, jobs=[limited_child(timed_bench)])
    assert timed_bench.store.control.cancel(parent, "") is Answer.OK
    release(timed_bench)
    assert timed_bench.status("child") == "cancelled"
    assert waiting(timed_bench) == []
    finish(timed_bench, first)
    assert places(timed_bench) == []


def test_the_turn_of_a_child_job_comes_before_it_hears_of_the_end_of_its_parent(
    timed_bench: Bench,
) -> None:
    """It does not begin, and ends as soon as it hears of it."""
    declare(timed_bench, running=1)
    first = submit_whole(timed_bench)
    parent = timed_bench.submit(definition="parents")
    timed_bench.start(parent)
    timed_bench.commit(parent, jobs=[limited_child(timed_bench)])
    assert timed_bench.store.control.cancel(parent, "") is Answer.OK
    finish(timed_bench, first)
    assert places(timed_bench) == []
    release(timed_bench)
    assert timed_bench.status("child") == "cancelled"


def test_a_child_job_that_is_dropped_is_reported(timed_bench: Bench) -> None:
    """The invocation that waits for it goes on, in the commit that has started it."""
    declare(timed_bench, running=0, when_full="drop")
    parent = timed_bench.submit(definition="parents")
    timed_bench.start(parent)
    timed_bench.commit(parent, jobs=[limited_child(timed_bench)])
    assert timed_bench.status("child") == "cancelled"
    assert timed_bench.row(parent)["queued"] == "1"


def test_a_child_job_shares_the_place_of_its_parent(timed_bench: Bench) -> None:
    """Each would wait for the other; at another key it has a place of its own."""
    declare(timed_bench, "a", running=1)
    declare(timed_bench, "b", running=1)
    parent = submit_whole(timed_bench, "a", definition="parents")
    timed_bench.start(parent)
    request = timed_bench.submission(
        job_id="child", definition="def-child", mode=whole("a", "b")
    )  # fmt: skip
    child = started(request, {**timed_bench.fields(), "uses": "j"}, WAITER)
    timed_bench.commit(parent, jobs=[child])
    assert timed_bench.hash("limited", "child")["0.0.0"] == b"b"
    assert (places(timed_bench, "a"), places(timed_bench, "b")) == ([parent], ["child"])
    finish(timed_bench, "child")
    assert (places(timed_bench, "a"), places(timed_bench, "b")) == ([parent], [])
    timed_bench.start(parent, "2.0.99999")
    timed_bench.commit(parent, "2.0.99999")
    assert places(timed_bench, "a") == []


def test_a_fork_of_a_child_job_counts_at_all_limits_of_its_flow(timed_bench: Bench) -> None:
    """It shares no place: no job above waits for it."""
    declare(timed_bench, "a", running=1)
    parent = submit_whole(timed_bench, "a", definition="parents")
    timed_bench.start(parent)
    request = timed_bench.submission(job_id="child", definition="def-child", mode=whole("a"))
    child = started(request, {**timed_bench.fields(), "uses": "j"}, WAITER)
    timed_bench.commit(parent, jobs=[child])
    copied = timed_bench.submission(definition="def-child")
    assert timed_bench.fork(copied, "child", [(1, 0, "", record())]) == "ok"
    assert (places(timed_bench, "a"), waiting(timed_bench, "a")) == ([parent], [copied.job_id])


def test_a_child_job_that_nothing_waits_for_any_more_has_a_place_of_its_own(
    timed_bench: Bench,
) -> None:
    """Its parent has gone on without it, and its place is another job's by now."""
    declare(timed_bench, running=1)
    parent = submit_whole(timed_bench, definition="parents")
    timed_bench.start(parent)
    timed_bench.commit(parent, jobs=[limited_child(timed_bench)])
    timed_bench.start("child")
    timed_bench.fail("child")
    waiter = "2.0.99999"
    timed_bench.start(parent, waiter)
    assert timed_bench.commit(parent, waiter, outcome="error_continued") == "ok"
    other = submit_whole(timed_bench)
    assert timed_bench.store.control.retry("child") is Answer.OK
    assert (places(timed_bench), waiting(timed_bench)) == ([other], ["child"])
    finish(timed_bench, other)
    finish(timed_bench, "child", token="u")
    assert places(timed_bench) == []
    assert not timed_bench.hash("limited", "child")


def test_a_detached_child_job_has_a_place_of_its_own(timed_bench: Bench) -> None:
    """Nothing waits for it."""
    declare(timed_bench, running=1)
    parent = submit_whole(timed_bench, definition="parents")
    timed_bench.start(parent)
    request = timed_bench.submission(job_id="child", definition="def-child", mode=whole("api"))
    child = started(request, {**timed_bench.fields(), "uses": "j"}, b"")
    timed_bench.commit(parent, jobs=[child])
    assert timed_bench.status(parent) == "completed"
    assert places(timed_bench) == ["child"]


# --- undo --------------------------------------------------------------------------------------


def half_done(bench: Bench) -> str:
    """A job of which one invocation with an undo is committed."""
    job = submit_whole(bench)
    bench.start(job)
    assert bench.commit(job, emitted=[(0, 0, "")], undo=record(1, charge="c1")) == "ok"
    return job


def undoing(bench: Bench, job: str) -> str:
    undo = Undos(bench.store).of_job(job)
    assert undo is not None
    assert undo.job_id is not None
    return undo.job_id


def test_the_next_job_waits_until_the_one_before_is_undone(timed_bench: Bench) -> None:
    """What undoes it has its place; a look takes it away from neither."""
    declare(timed_bench, running=1)
    first, second = half_done(timed_bench), submit_whole(timed_bench)
    timed_bench.store.control.cancel(first, "", undo=True)
    other = undoing(timed_bench, first)
    assert look(timed_bench) == (1, 0)
    assert (places(timed_bench), waiting(timed_bench)) == ([other], [second])
    finish_undo = f"1.0.{UNDO}"
    timed_bench.start(other, finish_undo)
    assert timed_bench.commit(other, finish_undo) == "ok"
    assert places(timed_bench) == [second]
    finish(timed_bench, second)
    assert look(timed_bench)[1] == 0
    assert places(timed_bench) == []


def test_a_job_keeps_its_place_for_handlers_whose_commits_are_undone(timed_bench: Bench) -> None:
    """Until the last of them has ended, also where that leaves nothing to undo."""
    declare(timed_bench, running=1)
    first, second = submit_whole(timed_bench), submit_whole(timed_bench)
    timed_bench.start(first)
    timed_bench.store.control.cancel(first, "", undo=True)
    assert look(timed_bench) == (1, 0)
    assert places(timed_bench) == [first]
    timed_bench.fail(first)
    assert places(timed_bench) == [second]


def test_an_undo_that_fails_gives_its_place_on(timed_bench: Bench) -> None:
    """Its retry waits for none."""
    declare(timed_bench, running=1)
    first, second = half_done(timed_bench), submit_whole(timed_bench)
    timed_bench.store.control.cancel(first, "", undo=True)
    other = undoing(timed_bench, first)
    timed_bench.start(other, f"1.0.{UNDO}")
    timed_bench.fail(other, f"1.0.{UNDO}")
    assert places(timed_bench) == [second]
    assert timed_bench.store.control.retry(other) is Answer.OK
    timed_bench.start(other, f"1.0.{UNDO}", "u")
    assert timed_bench.commit(other, f"1.0.{UNDO}", "u") == "ok"
    assert places(timed_bench) == [second]


def test_hooks_hear_of_a_job_that_waits_for_long(timed_bench: Bench, clock: VirtualClock) -> None:
    """It is the job's, and no invocation's."""
    timed_bench.store.hooks.declare(
        "ops", pack_record("function", "tell", ["limit.starving"], None)
    )
    declare(timed_bench, running=0)
    job = submit_whole(timed_bench)
    clock.advance(seconds=310)
    (line,) = Outbox(timed_bench.store).read(0).lines
    assert (line.job_id, line.invocation, line.error.message) == (job, None, "api")


# --- changes, recounts, former releases --------------------------------------------------------


def test_a_change_acts_on_jobs_that_wait(timed_bench: Bench) -> None:
    declare(timed_bench, running=0)
    jobs = [submit_whole(timed_bench) for _ in range(3)]
    assert sent(timed_bench) == []
    timed_bench.store.limits.set("api", LimitSettings(running=1))
    timed_bench.store.limits.let_in(["api"])
    assert sent(timed_bench) == jobs[:1]
    timed_bench.store.limits.set("api", LimitSettings(state="off"))
    timed_bench.store.limits.let_in(["api"])
    assert sent(timed_bench) == jobs


def test_what_comes_later_never_overtakes(timed_bench: Bench) -> None:
    """Also where there is a place that nothing has been let in for yet."""
    declare(timed_bench, running=1)
    first, second = submit_whole(timed_bench), submit_whole(timed_bench)
    timed_bench.store.limits.set("api", LimitSettings(running=2))
    third = submit_whole(timed_bench)
    assert (places(timed_bench), waiting(timed_bench)) == ([first], [second, third])
    look(timed_bench)
    assert (places(timed_bench), waiting(timed_bench)) == ([first, second], [third])


def test_a_place_that_nothing_holds_is_recounted(timed_bench: Bench) -> None:
    """Of a job that is gone, has ended, or is held; those of live jobs stay."""
    declare(timed_bench, running=4)
    jobs = [submit_whole(timed_bench) for _ in range(4)]
    waits = submit_whole(timed_bench)
    timed_bench.link.call("DEL", timed_bench.key("job", jobs[0]))
    timed_bench.link.call("HSET", timed_bench.key("job", jobs[1]), "status", "completed")
    timed_bench.pause(jobs[2])
    assert look(timed_bench) == (1, 2)
    assert sorted(places(timed_bench)) == sorted([*jobs[2:], waits])


def test_a_job_of_a_limit_that_nobody_knows_begins(timed_bench: Bench) -> None:
    job = submit_whole(timed_bench)
    finish(timed_bench, job)
    assert timed_bench.status(job) == "completed"


def test_a_job_from_before_the_limit_goes_on(timed_bench: Bench) -> None:
    """Its row has no keys: it takes no place, and its end frees none."""
    declare(timed_bench, running=1)
    job = timed_bench.submit()
    timed_bench.send(timed_bench.submission(), {**timed_bench.fields(), "uses": "j"})
    finish(timed_bench, job)
    fork = fork_of(timed_bench, job, 1)
    assert places(timed_bench) == []
    timed_bench.start(fork, "1.1.0")
    timed_bench.commit(fork, "1.1.0")
    assert timed_bench.status(fork) == "completed"
