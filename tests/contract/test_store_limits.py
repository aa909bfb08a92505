"""Limits: never more than are allowed, first come first served, and places that cannot leak."""

from __future__ import annotations

import pytest

from flowforge.codec.binary import pack_record
from flowforge.model.limit import LimitSettings
from flowforge.store.fleet_reads.outbox import Outbox
from flowforge.store.history import history_details
from flowforge.store.transitions.answers import Answer
from tests.contract.bench import DETAILS, Bench
from tests.contract.limit_work import (
    at,
    declare,
    finish,
    keys_left,
    places,
    pop,
    sent,
    submit,
    waiting,
)
from tests.support.virtual_clock import VirtualClock

# --- running -----------------------------------------------------------------------------------


def test_what_a_limit_has_no_place_for_waits_and_does_not_travel(timed_bench: Bench) -> None:
    """The first gets a message with a place; the others wait in their order, without a message."""
    declare(timed_bench, running=1)
    jobs = [submit(timed_bench) for _ in range(4)]
    assert sent(timed_bench) == jobs[:1]
    assert waiting(timed_bench) == jobs[1:]
    row = timed_bench.row(jobs[1])
    assert (row["v"], row["uses"], row["at_limits"], row["queued"]) == ("25", "l", "1", "0")
    timed_bench.start(jobs[0])
    assert list(timed_bench.members("limit_places", "api")) == [f"{jobs[0]}/1.0.0/t"]
    pop(timed_bench)
    timed_bench.commit(jobs[0])
    assert sent(timed_bench) == [jobs[1]]
    assert waiting(timed_bench) == jobs[2:]
    for job in jobs[1:]:
        finish(timed_bench, job)
    assert {timed_bench.status(job) for job in jobs} == {"completed"}


def test_nothing_is_left_of_a_key_that_is_not_used(timed_bench: Bench, clock: VirtualClock) -> None:
    """The look of the upkeep forgets it; only what is in force stays."""
    declare(timed_bench, running=1, rate=1, period_ms=1000)
    for job in [submit(timed_bench) for _ in range(3)]:
        clock.advance(seconds=2)
        finish(timed_bench, job)
    clock.advance(seconds=20)
    assert keys_left(timed_bench) <= {"limits:n", "limits:home"}


def test_what_has_waited_is_taken_next_by_a_worker(timed_bench: Bench, clock: VirtualClock) -> None:
    """Its message comes before those of others, and is none that has been popped."""
    declare(timed_bench, running=1)
    first, second = submit(timed_bench), submit(timed_bench)
    clock.advance(seconds=1)
    others = [timed_bench.submit() for _ in range(3)]
    timed_bench.start(first)
    pop(timed_bench)
    timed_bench.commit(first)
    assert sent(timed_bench) == [second, *others]
    assert timed_bench.number(second) <= timed_bench.number(others[0])


@pytest.mark.parametrize("running", [1, 2, 3])
def test_what_has_waited_overtakes_nothing_that_came_earlier(
    timed_bench: Bench, clock: VirtualClock, running: int
) -> None:
    """Endless work at a limit keeps a worker neither from its own first jobs nor from others."""
    declare(timed_bench, running=running)
    jobs = [submit(timed_bench) for _ in range(4)]
    clock.advance(seconds=1)
    jobs += [timed_bench.submit() for _ in range(3)]
    clock.advance(seconds=1)
    jobs += [submit(timed_bench) for _ in range(4)]
    ran = []
    while waits := sent(timed_bench):
        pop(timed_bench)
        ran.append(waits[0])
        finish(timed_bench, waits[0])
    assert ran == jobs


def test_what_is_let_in_together_keeps_its_order(timed_bench: Bench, clock: VirtualClock) -> None:
    """Before what came later, and each behind those that waited for longer."""
    declare(timed_bench, running=0)
    jobs = [submit(timed_bench) for _ in range(5)]
    clock.advance(seconds=1)
    jobs += [timed_bench.submit() for _ in range(50)]
    timed_bench.store.limits.set("api", LimitSettings(running=5))
    timed_bench.store.limits.let_in(["api"])
    assert sent(timed_bench) == jobs
    numbers = [timed_bench.number(job) for job in jobs]
    assert numbers == sorted(numbers)


def test_a_job_is_not_complete_while_it_waits_at_a_limit(timed_bench: Bench) -> None:
    """What waits is outstanding, and counts against the window of its job."""
    declare(timed_bench, running=1)
    holder = submit(timed_bench)
    job = timed_bench.submission(max_in_flight=2)
    assert timed_bench.send(job, {**timed_bench.fields(), "uses": "l"})
    timed_bench.start(job.job_id)
    timed_bench.commit(job.job_id, emitted=[(1, 0, at("api"))] * 3)
    row = timed_bench.row(job.job_id)
    assert (row["at_limits"], row["waiting"], row["status"]) == ("2", "1", "running")
    finish(timed_bench, holder)
    for number in (2, 3, 4):
        timed_bench.start(job.job_id, f"{number}.1.0")
        timed_bench.commit(job.job_id, f"{number}.1.0")
    assert timed_bench.status(job.job_id) == "completed"


@pytest.mark.parametrize("end", ["retry", "release", "fail", "reclaim", "cancel"])
def test_whatever_takes_the_lease_gives_the_place_on(timed_bench: Bench, end: str) -> None:
    """There is no way to lose a lease and to keep the place of an attempt."""
    declare(timed_bench, running=1)
    first, second = submit(timed_bench), submit(timed_bench)
    timed_bench.start(first, lease=1 if end == "reclaim" else 600_000)
    if end == "retry":
        timed_bench.retry_later(first, delay=60_000)
    elif end == "release":
        timed_bench.release(first, delay=60_000)
    elif end == "fail":
        timed_bench.fail(first)
    elif end == "reclaim":
        timed_bench.link.call("ZADD", timed_bench.key("leases"), 1, f"{first}/1.0.0/t")
        assert timed_bench.reclaim(3, 10) == (1, 0, 0)
    else:
        timed_bench.store.control.cancel(first, "")
        # The handler still runs: its place is free when it has ended.
        assert timed_bench.members("limit_waiters", "api")
        assert timed_bench.commit(first) == "dropped"
    assert list(timed_bench.members("limit_places", "api")) == [f"{second}/1.0.0"]
    assert timed_bench.start(second)


def test_a_message_of_a_paused_job_gives_its_place_on(timed_bench: Bench) -> None:
    """The claim parks it, and who waits has the place."""
    declare(timed_bench, running=1)
    first, second, third = (submit(timed_bench) for _ in range(3))
    timed_bench.pause(first)
    timed_bench.pause(second)
    assert timed_bench.claim(first, "1.0.0") == "paused"
    assert list(timed_bench.members("limit_places", "api")) == [f"{third}/1.0.0"]
    # The one that had waited is parked as well, and both go on in the order of their resumes.
    assert timed_bench.row(second)["waiting"] == "1"
    finish(timed_bench, third)
    for job in (second, first):
        timed_bench.store.control.resume(job)
    finish(timed_bench, second)
    finish(timed_bench, first)


def test_a_cancelled_waiter_is_passed_over(timed_bench: Bench) -> None:
    """It costs the place nothing."""
    declare(timed_bench, running=1)
    first, second, third = (submit(timed_bench) for _ in range(3))
    timed_bench.store.control.cancel(second, "")
    finish(timed_bench, first)
    assert list(timed_bench.members("limit_places", "api")) == [f"{third}/1.0.0"]


def test_a_claim_without_a_place_waits_in_its_turn(timed_bench: Bench, clock: VirtualClock) -> None:
    """Its message was not claimed for long: the place went on, and it is the next one."""
    declare(timed_bench, running=1)
    first, second, third = (submit(timed_bench) for _ in range(3))
    clock.advance(seconds=20)
    assert list(timed_bench.members("limit_places", "api")) == [f"{second}/1.0.0"]
    timed_bench.start(second)
    assert timed_bench.claim(first, "1.0.0") is Answer.LIMITED
    assert set(waiting(timed_bench)) == {third, first}
    timed_bench.commit(second)
    finish(timed_bench, third)
    finish(timed_bench, first)


def test_a_claim_that_is_sent_twice_takes_one_place(timed_bench: Bench) -> None:
    """The same token gets the same answer."""
    declare(timed_bench, running=2)
    job = submit(timed_bench)
    timed_bench.start(job)
    timed_bench.start(job)
    assert len(timed_bench.members("limit_places", "api")) == 1


# --- keys and several limits -------------------------------------------------------------------


def test_each_key_counts_apart(timed_bench: Bench) -> None:
    """Many keys of one limit, of which each has its own places."""
    declare(timed_bench, running=1)
    a, b, c = (submit(timed_bench, f"api/{key}") for key in ("a", "b", "a"))
    assert sent(timed_bench) == [a, b]
    assert waiting(timed_bench, "api/a") == [c]


def test_several_limits_are_taken_together_or_not_at_all(timed_bench: Bench) -> None:
    """What waits for one holds nothing of the other."""
    declare(timed_bench, "a", running=1)
    declare(timed_bench, "b", running=1)
    on_b = submit(timed_bench, "b")
    both = submit(timed_bench, "a", "b")
    assert waiting(timed_bench, "b") == [both]
    assert timed_bench.members("limit_places", "a") == {}
    on_a = submit(timed_bench, "a")
    timed_bench.start(on_a)
    finish(timed_bench, on_b)
    # Now it waits for the other one.
    assert waiting(timed_bench, "a") == [both]
    assert timed_bench.members("limit_places", "b") == {}
    timed_bench.commit(on_a)
    finish(timed_bench, both)
    assert timed_bench.status(both) == "completed"


# --- rate --------------------------------------------------------------------------------------


def test_starts_are_spread_evenly(timed_bench: Bench, clock: VirtualClock) -> None:
    """One timer for the key lets each in when it is due; a worker waits for the last moment."""
    declare(timed_bench, rate=1, period_ms=60_000)
    jobs = [submit(timed_bench) for _ in range(3)]
    assert timed_bench.start(jobs[0]).rests_ms == 0
    assert timed_bench.claim(jobs[1], "1.0.0") is Answer.TAKEN
    assert list(timed_bench.members("timers")) == ["limits/limit/api"]
    timed_bench.commit(jobs[0])
    clock.advance(seconds=50)
    assert timed_bench.claim(jobs[1], "1.0.0") is Answer.TAKEN
    clock.advance(seconds=9.8)
    claim = timed_bench.start(jobs[1])
    assert 0 <= claim.rests_ms <= 250
    timed_bench.commit(jobs[1])
    clock.advance(seconds=61)
    timed_bench.start(jobs[2])
    timed_bench.commit(jobs[2])


def test_a_burst_follows_a_quiet_time(timed_bench: Bench, clock: VirtualClock) -> None:
    """No more than it and what the rate gives meanwhile."""
    declare(timed_bench, rate=1, period_ms=10_000, burst=3)
    jobs = [submit(timed_bench) for _ in range(5)]
    assert sent(timed_bench) == jobs[:3]
    for job in jobs[:3]:
        finish(timed_bench, job)
    pop(timed_bench), pop(timed_bench), pop(timed_bench)
    assert sent(timed_bench) == []
    clock.advance(seconds=10)
    assert sent(timed_bench) == [jobs[3]]


def test_each_attempt_of_a_retry_counts_as_a_start(timed_bench: Bench, clock: VirtualClock) -> None:
    """The second attempt waits for the rate as any other start."""
    declare(timed_bench, rate=1, period_ms=10_000)
    job = submit(timed_bench)
    timed_bench.start(job)
    timed_bench.retry_later(job)
    clock.look()
    assert waiting(timed_bench) == [job]
    clock.advance(seconds=10)
    assert timed_bench.start(job).claims == 2


def kept(bench: Bench, job: str) -> list[dict[str, object]]:
    """What the entries of the history say."""
    raw = bench.link.call("XRANGE", bench.key("history", job), "-", "+")
    pairs = [dict(zip(fields[::2], fields[1::2], strict=True)) for _, fields in raw]
    return [history_details(one[b"k"].decode(), one[b"p"], "it") for one in pairs]


def test_the_history_says_how_long_an_invocation_has_waited(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """From a second on."""
    declare(timed_bench, running=1)
    first, second, third = (submit(timed_bench) for _ in range(3))
    timed_bench.start(first)
    clock.advance_running(seconds=5)
    timed_bench.commit(first)
    finish(timed_bench, second)
    ((found),) = [one for one in kept(timed_bench, second) if "limit" in one]
    assert found["limit"] == "api"
    # The clock of the tests is ahead of the real one, which goes on meanwhile.
    assert 5 <= found["seconds"] < 60  # type: ignore[operator]
    finish(timed_bench, third)


# --- a limit that rests ------------------------------------------------------------------------


def rest(bench: Bench, job: str, ms: int, limit: str = "") -> Answer:
    return bench.store.invocations.rest(job, "1.0.0", "t", ms, 5, DETAILS, limit)


def test_a_whole_key_rests_and_no_attempt_is_used_up(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """The one that was told is the next one, whoever waited before it."""
    declare(timed_bench, running=2)
    first, second, third = (submit(timed_bench) for _ in range(3))
    timed_bench.start(first)
    assert rest(timed_bench, first, 30_000) is Answer.OK
    assert waiting(timed_bench) == [first, third]
    # Also what has a message already.
    assert timed_bench.claim(second, "1.0.0") is Answer.LIMITED
    clock.advance(seconds=29)
    assert timed_bench.members("limit_places", "api") == {}
    clock.advance(seconds=2)
    assert timed_bench.start(first).attempt_number == 1
    assert ("limit_rests", "1.0.0") in timed_bench.history(first)


def test_what_has_no_limit_comes_again_later(timed_bench: Bench) -> None:
    """It waits by itself, without using up an attempt."""
    job = timed_bench.submit()
    timed_bench.start(job)
    assert rest(timed_bench, job, 30_000) is Answer.OK
    assert timed_bench.row(job)["timers"] == "1"
    timed_bench.make_due()
    timed_bench.store.upkeep.release_due(10)
    assert timed_bench.start(job).attempt_number == 1


# --- other policies ----------------------------------------------------------------------------


def test_a_full_limit_drops(timed_bench: Bench) -> None:
    """The invocation ends without an effect, and its job with it if that was all."""
    declare(timed_bench, running=1, when_full="drop")
    first, second = submit(timed_bench), submit(timed_bench)
    timed_bench.start(first)
    assert timed_bench.claim(second, "1.0.0") is Answer.LIMITED
    assert timed_bench.status(second) == "completed"
    assert timed_bench.history(second) == [("dropped_at_limit", "1.0.0")]
    assert kept(timed_bench, second) == [{"limit": "api"}]
    timed_bench.commit(first)


def test_a_full_limit_fails_the_job(timed_bench: Bench) -> None:
    """A retry of the job runs it when there is room."""
    declare(timed_bench, running=1, when_full="fail")
    first, second = submit(timed_bench), submit(timed_bench)
    timed_bench.start(first)
    assert timed_bench.claim(second, "1.0.0") is Answer.LIMITED
    row = timed_bench.row(second)
    assert (row["status"], row["reason"]) == ("failed", "the limit api is full")
    timed_bench.commit(first)
    timed_bench.store.control.retry(second)
    finish(timed_bench, second)


def test_the_newest_replaces_what_runs(timed_bench: Bench, clock: VirtualClock) -> None:
    """The oldest attempt ends without an effect, whatever it was doing; its commit is refused."""
    declare(timed_bench, running=2, when_full="replace")
    jobs = [submit(timed_bench) for _ in range(3)]
    assert sent(timed_bench) == jobs
    timed_bench.start(jobs[0])
    clock.advance_running(seconds=1)
    timed_bench.start(jobs[1])
    timed_bench.start(jobs[2])
    assert timed_bench.status(jobs[0]) == "completed"
    assert kept(timed_bench, jobs[0]) == [{"limit": "api"}]
    assert timed_bench.history(jobs[0]) == [("replaced_at_limit", "1.0.0")]
    assert timed_bench.commit(jobs[0], emitted=[(1, 0, "")]) == "done"
    assert set(places(timed_bench)) == {jobs[1], jobs[2]}
    assert len(timed_bench.members("leases")) == 2
    for job in jobs[1:]:
        timed_bench.commit(job)
        assert timed_bench.status(job) == "completed"
    assert places(timed_bench) == []


def test_an_invocation_replaces_one_of_its_own_job(timed_bench: Bench) -> None:
    """Its counters stay right, also of a job that has failed meanwhile."""
    declare(timed_bench, running=1, when_full="replace")
    job = timed_bench.submission()
    assert timed_bench.send(job, {**timed_bench.fields(), "uses": "l"})
    timed_bench.start(job.job_id)
    timed_bench.commit(job.job_id, emitted=[(1, 0, at("api"))] * 2 + [(1, 0, "")])
    timed_bench.start(job.job_id, "2.1.0")
    timed_bench.start(job.job_id, "3.1.0")
    row = timed_bench.row(job.job_id)
    assert (row["running"], row["queued"], row["at_limits"]) == ("1", "1", "0")
    timed_bench.start(job.job_id, "4.1.0")
    assert timed_bench.fail(job.job_id, "4.1.0") == "ok"
    other = submit(timed_bench)
    timed_bench.start(other)
    row = timed_bench.row(job.job_id)
    assert (row["status"], row["running"], row["waiting"]) == ("failed", "0", "2")
    timed_bench.commit(other)
    timed_bench.store.control.retry(job.job_id)
    for invocation in ("3.1.0", "4.1.0"):
        timed_bench.start(job.job_id, invocation)
        timed_bench.commit(job.job_id, invocation)
    assert timed_bench.status(job.job_id) == "completed"


# --- a place that is kept ----------------------------------------------------------------------


def test_an_invocation_keeps_its_place_across_attempts(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """What comes later starts when it is done, not while it waits for its retry."""
    declare(timed_bench, running=1, hold="invocation")
    first, second = submit(timed_bench), submit(timed_bench)
    timed_bench.start(first)
    timed_bench.retry_later(first, delay=60_000)
    assert waiting(timed_bench) == [second]
    clock.advance(seconds=30)
    assert waiting(timed_bench) == [second]
    clock.advance(seconds=31)
    finish(timed_bench, first)
    finish(timed_bench, second)


def job_of_two(bench: Bench) -> str:
    """A job of two invocations that run, of which the first counts at ``api``."""
    request = bench.submission(max_in_flight=5)
    bench.send(request, {**bench.fields(), "uses": "l"})
    bench.start(request.job_id)
    bench.commit(request.job_id, emitted=[(1, 0, at("api")), (1, 0, "")])
    bench.start(request.job_id, "2.1.0")
    bench.start(request.job_id, "3.1.0")
    return request.job_id


@pytest.mark.parametrize("how", ["fail", "cancel", "pause"])
def test_a_handler_that_still_runs_keeps_the_place(
    timed_bench: Bench, clock: VirtualClock, how: str
) -> None:
    """Also one of a job that does not go on: until it ends, the limit is full."""
    declare(timed_bench, running=1, hold="invocation")
    job = job_of_two(timed_bench)
    second = submit(timed_bench)
    if how == "fail":
        timed_bench.fail(job, "3.1.0")
    elif how == "cancel":
        timed_bench.store.control.cancel(job, "")
    else:
        timed_bench.pause(job)
    clock.advance_running(seconds=20)
    assert waiting(timed_bench) == [second]
    timed_bench.commit(job, "2.1.0")
    assert places(timed_bench) == [second]


def test_a_paused_job_does_not_keep_the_place_for_its_retry(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """Nothing waits for someone to resume it."""
    declare(timed_bench, running=1, hold="invocation")
    first, second = submit(timed_bench), submit(timed_bench)
    timed_bench.start(first)
    timed_bench.retry_later(first, delay=3_600_000)
    timed_bench.pause(first)
    clock.advance(seconds=10)
    assert places(timed_bench) == [second]
    finish(timed_bench, second)
    timed_bench.store.control.resume(first)
    clock.advance(hours=2)
    finish(timed_bench, first)


# --- changes by hand ---------------------------------------------------------------------------


def test_what_an_operator_sets_wins_at_once(timed_bench: Bench) -> None:
    """The key over the limit, the limit over the code."""
    limits = timed_bench.store.limits
    declare(timed_bench, running=1)
    jobs = [submit(timed_bench, "api/a") for _ in range(5)]
    limits.set("api", LimitSettings(running=2))
    limits.let_in(["api/a"])
    assert len(timed_bench.members("limit_places", "api/a")) == 2
    limits.set("api/a", LimitSettings(running=4))
    limits.let_in(["api/a"])
    assert len(timed_bench.members("limit_places", "api/a")) == 4
    limits.set("api/a", LimitSettings(state="off"))
    limits.let_in(["api/a"])
    assert waiting(timed_bench, "api/a") == []
    limits.remove("api/a", declared=False)
    limits.remove("api", declared=False)
    # Five have a message, and one may run.
    claims = [timed_bench.claim(job, "1.0.0") for job in jobs]
    assert sum(claim is Answer.LIMITED for claim in claims) == 4


def test_a_rate_that_is_made_higher_counts_at_once(timed_bench: Bench, clock: VirtualClock) -> None:
    """What waits does not wait for the next start of the former rate."""
    limits = timed_bench.store.limits
    declare(timed_bench, rate=1, period_ms=30 * 86_400_000)
    jobs = [submit(timed_bench) for _ in range(3)]
    finish(timed_bench, jobs[0])
    limits.set("api", LimitSettings(rate=100, period_ms=1000))
    limits.let_in(["api"])
    for job in jobs[1:]:
        clock.advance(seconds=1)
        finish(timed_bench, job)
    limits.set("api", LimitSettings(rate=1, period_ms=60_000))
    last = submit(timed_bench)
    finish(timed_bench, last)
    late = submit(timed_bench)
    clock.advance(seconds=50)
    assert waiting(timed_bench) == [late]


# --- what the upkeep mends ---------------------------------------------------------------------


def test_a_place_that_nothing_holds_is_taken_away(timed_bench: Bench, clock: VirtualClock) -> None:
    """Whatever has made it so: the lease says what is held."""
    declare(timed_bench, running=1)
    first, second = submit(timed_bench), submit(timed_bench)
    timed_bench.start(first)
    timed_bench.link.call("ZREM", timed_bench.key("leases"), f"{first}/1.0.0/t")
    clock.advance(seconds=6)
    assert list(timed_bench.members("limit_places", "api")) == [f"{second}/1.0.0"]


def test_a_waiter_that_is_skipped_leaves_the_line(timed_bench: Bench) -> None:
    """An operator ends it as any other that is idle."""
    declare(timed_bench, running=1)
    first, second = submit(timed_bench), submit(timed_bench)
    assert timed_bench.skip(second, "1.0.0") == "ok"
    assert waiting(timed_bench) == []
    assert timed_bench.status(second) == "completed"
    finish(timed_bench, first)


# --- what waits for long ----------------------------------------------------------------------


def told(bench: Bench) -> list[tuple[str, str, str]]:
    """What hooks hear of keys."""
    lines = Outbox(bench.store).read(0).lines
    return [(one.happened, one.job_id, one.error.message) for one in lines]


def test_a_limit_that_starves_is_told_once(timed_bench: Bench, clock: VirtualClock) -> None:
    """Until nothing waits for that long; then the next time is another one."""
    timed_bench.store.hooks.declare(
        "ops", pack_record("function", "tell", ["limit.starving"], None)
    )
    declare(timed_bench, running=1)
    first, second, third = (submit(timed_bench) for _ in range(3))
    timed_bench.start(first)
    clock.advance_running(seconds=290)
    assert (told(timed_bench), timed_bench.store.limits.starving(5)) == ([], (0, []))
    clock.advance_running(seconds=20)
    clock.advance_running(seconds=20)
    assert told(timed_bench) == [("starving", second, "api")]
    number, ((key, since),) = timed_bench.store.limits.starving(5)
    assert (number, key, since) == (1, "api", int(timed_bench.row(second)["created"]))
    timed_bench.commit(first)
    finish(timed_bench, second)
    clock.advance(seconds=10)
    assert timed_bench.store.limits.starving(5) == (0, [])
    timed_bench.start(third)
    submit(timed_bench)
    clock.advance_running(seconds=310)
    assert len(told(timed_bench)) == 2


def test_keys_that_starve_are_told_together_by_limit(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """Two keys of a limit have one cause, those of another limit have another."""
    timed_bench.store.hooks.declare(
        "ops", pack_record("function", "tell", ["limit.starving"], None)
    )
    for name in ("api", "gpu"):
        declare(timed_bench, name, running=0)
    for key in ("api/a", "api/b", "gpu/a"):
        submit(timed_bench, key)
    clock.advance(seconds=310)
    lines = Outbox(timed_bench.store).read(0).lines
    assert {(one.error.message, one.error.at) for one in lines} == {
        ("api/a", "api"), ("api/b", "api"), ("gpu/a", "gpu"),
    }  # fmt: skip
    assert len({one.error.fingerprint for one in lines}) == 2


# --- modes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["m", "o", ""])
def test_a_limit_stands_beside_what_a_slot_keeps(
    timed_bench: Bench, clock: VirtualClock, mode: str
) -> None:
    """Also of a delivery that is put off: it takes no place before it is due."""
    declare(timed_bench, running=1)
    request = timed_bench.submission(mode="+1000 :" + at("api", mode=mode))
    assert timed_bench.send(request, {**timed_bench.fields(), "uses": "l"})
    first = submit(timed_bench)
    clock.advance(seconds=2)
    assert waiting(timed_bench) == [request.job_id]
    finish(timed_bench, first)
    invocation = "1.0.0.1" if mode == "m" else "1.0.0"
    timed_bench.start(request.job_id, invocation)
    timed_bench.commit(request.job_id, invocation)
    assert timed_bench.status(request.job_id) == "completed"
    assert timed_bench.hash("limited", request.job_id) == {}


def test_a_join_counts_at_the_limits_of_its_first_item(timed_bench: Bench) -> None:
    """One place for all items."""
    declare(timed_bench, running=1)
    request = timed_bench.submission()
    fields = {**timed_bench.fields("1.0 all 0 fail 0\n"), "uses": "l"}
    assert timed_bench.send(request, fields)
    job = request.job_id
    timed_bench.start(job)
    timed_bench.commit(job, emitted=[(1, 0, at("api", mode="j0:"))] * 2)
    ((member),) = timed_bench.unclaimed()
    invocation = member.partition("/")[2]
    timed_bench.start(job, invocation)
    assert list(timed_bench.members("limit_places", "api")) == [f"{job}/{invocation}/t"]
    timed_bench.commit(job, invocation)
    assert timed_bench.status(job) == "completed"
    assert timed_bench.members("limit_places", "api") == {}


# --- with deadlines and timeouts -----------------------------------------------------------------


def test_a_job_that_waits_at_a_limit_may_be_too_late(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """Those behind it do not wait for it; its retry waits as any other."""
    declare(timed_bench, running=1)
    holder = submit(timed_bench)
    late, other = submit(timed_bench, deadlines="60000 "), submit(timed_bench)
    timed_bench.start(holder)
    clock.advance_running(seconds=60)
    assert timed_bench.status(late) == "failed"
    assert timed_bench.commit(holder) == "ok"
    timed_bench.start(other)
    assert timed_bench.store.control.retry(late) is Answer.OK
    assert timed_bench.status(late) == "pending"
    assert timed_bench.claim(late, "1.0.0", "t2") == "taken"
    assert timed_bench.commit(other) == "ok"
    finish(timed_bench, late)
    assert {timed_bench.status(job) for job in (holder, late, other)} == {"completed"}


@pytest.mark.parametrize("end", ["cancel", "fail", ""])
def test_an_attempt_whose_time_is_over_gives_its_place_on(
    timed_bench: Bench, clock: VirtualClock, end: str
) -> None:
    """Also when its job has ended before, and its handler does not return."""
    declare(timed_bench, running=1)
    request = timed_bench.submission(definition="timed", mode=at("api"))
    fields = {**timed_bench.fields(timeout_ms=30_000), "uses": "l"}
    assert timed_bench.send(request, fields) == request.job_id
    job, second = request.job_id, submit(timed_bench)
    timed_bench.start(job)
    if end == "cancel":
        timed_bench.store.control.cancel(job, "")
    elif end == "fail":
        timed_bench.link.call("HSET", timed_bench.key("job", job), "finish_by", 1)
        timed_bench.link.call("HSET", timed_bench.key("job", job), "finish_within", 1)
        timed_bench.link.call("ZADD", timed_bench.key("timers"), 1, f"{job}/deadline/finished")
    clock.advance_running(seconds=29)
    assert timed_bench.status(job) == {"cancel": "cancelled", "fail": "failed", "": "running"}[end]
    assert waiting(timed_bench) == [second]
    clock.advance_running(seconds=2)
    assert timed_bench.members("leases") == {}
    assert timed_bench.start(second)


def test_keys_are_read_in_the_order_of_their_names(
    timed_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page each once, also where more are read than a page has."""
    monkeypatch.setattr("flowforge.store.transitions.limits._PAGE", 3)
    declare(timed_bench, running=1)
    names = [f"api/{n:03}" for n in range(150)] + ["other"]
    for name in reversed(names):
        submit(timed_bench, name)
    limits, found = timed_bench.store.limits, list[str]()
    while page := limits.keys_behind(found[-1] if found else "", None, 40):
        assert len(page) <= 40
        found += page
    assert found == names
    assert limits.keys_behind("api/147", "api", 9) == ["api/148", "api/149"]
    assert limits.keys_behind("", "other", 9) == ["other"]
