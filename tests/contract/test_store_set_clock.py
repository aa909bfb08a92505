"""The server's clock is set, as after a failover to a machine whose clock is wrong."""

from __future__ import annotations

from flowforge.store.keys import Keys
from flowforge.store.transitions.claims import Claim
from tests.contract import keyed, limit_work
from tests.contract.bench import Bench
from tests.contract.schedule_bench import HOUR, ScheduleBench
from tests.support.virtual_clock import OFFSET, VirtualClock


def set_clock(bench: Bench, seconds: float) -> None:
    """Nothing of what is kept moves along."""
    bench.link.call("INCRBY", Keys(bench.prefix).root + OFFSET, round(seconds * 1000))


def test_what_waits_for_a_rate_starts_though_the_clock_was_set_back(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """At the latest with the second look at its key, and not when the former time has come."""
    bench = timed_bench
    limit_work.declare(bench, rate=1, period_ms=10_000)
    first, second, third = (limit_work.submit(bench) for _ in "abc")
    limit_work.finish(bench, first)
    set_clock(bench, -HOUR)
    for job in (second, third):
        clock.advance(seconds=1)
        clock.advance(seconds=10)
        limit_work.finish(bench, job)


def test_a_place_that_nothing_holds_is_found_though_the_clock_was_set_back(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """With the next look."""
    bench = timed_bench
    limit_work.declare(bench, running=1)
    first, second = (limit_work.submit(bench) for _ in "ab")
    bench.start(first)
    bench.link.call("DEL", bench.key("leases"))
    set_clock(bench, -HOUR)
    clock.advance(seconds=1)
    limit_work.finish(bench, second)


def test_no_more_start_than_a_rate_allows_though_the_clock_was_set(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """Ahead or back: the burst at most."""
    bench = timed_bench
    limit_work.declare(bench, rate=1, period_ms=10_000, burst=2)
    jobs = [limit_work.submit(bench) for _ in range(8)]
    for hours in (5, -5, 5):
        set_clock(bench, hours * HOUR)
        clock.look()
        claims = {job: bench.claim(job, "1.0.0") for job in jobs}
        started = [job for job, claim in claims.items() if isinstance(claim, Claim)]
        assert len(started) <= 2
        jobs = [job for job in jobs if job not in started]
        for job in started:
            assert bench.commit(job) == "ok"
    assert len(jobs) >= 2


def test_no_time_of_a_schedule_has_two_jobs_though_the_clock_was_set_back(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """Until the clock has come to the next time again, none starts."""
    schedule = ScheduleBench(timed_bench)
    schedule.save(overlap="allow", missed="all")
    clock.advance(hours=2)
    set_clock(timed_bench, -HOUR)
    for _ in range(4):
        clock.advance(minutes=30)
    times = [event.time for event in schedule.events("started")]
    assert len(times) == len(set(times)) == 3


def test_a_call_of_a_debounce_key_waits_no_longer_though_the_clock_was_set_back(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """A further call gives the job a time by the clock as it is now."""
    first = keyed.call(timed_bench, debounce="k").job_id
    set_clock(timed_bench, -HOUR)
    assert keyed.call(timed_bench, debounce="k").job_id == first
    clock.advance(milliseconds=keyed.WAIT + 100)
    keyed.run(timed_bench, first)
