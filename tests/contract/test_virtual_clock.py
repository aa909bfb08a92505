"""The clock that tests move: timers, retention and reads follow it, and leases hold it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flowforge.store.fleet_reads.overview import Overview
from flowforge.store.fleet_reads.worker_reports import WorkerReports
from tests.contract.bench import Bench
from tests.contract.job_ends import end_completed
from tests.support.virtual_clock import VirtualClock

HOUR = 3_600_000


def test_time_passes_at_once(timed_bench: Bench, clock: VirtualClock) -> None:
    """Scripts and reads see the same time, which goes on from where it was moved to."""
    before = clock.now()
    clock.advance(days=2, hours=1)
    assert timedelta(hours=49) <= clock.now() - before < timedelta(hours=50)
    assert Overview(timed_bench.store).now() >= before.timestamp() * 1000 + 49 * HOUR
    job = timed_bench.submit()
    assert int(timed_bench.row(job)["created"]) >= before.timestamp() * 1000 + 49 * HOUR


def test_a_timer_waits_for_its_time(timed_bench: Bench, clock: VirtualClock) -> None:
    """A retry in an hour is queued when an hour has passed, and no minute before."""
    job = timed_bench.submit()
    timed_bench.start(job)
    timed_bench.retry_later(job, delay=HOUR)
    clock.advance(minutes=59)
    assert len(timed_bench.members("timers")) == 1
    clock.advance(minutes=1)
    assert timed_bench.members("timers") == {}
    assert timed_bench.start(job).claims == 2


def test_a_lease_holds_the_clock(timed_bench: Bench, clock: VirtualClock) -> None:
    """While a handler runs no hour passes; the error says which handler."""
    job = timed_bench.submit()
    timed_bench.start(job)
    before = clock.now()
    with pytest.raises(AssertionError, match=f"no lease is held; held are .*: {job}/1.0.0/t"):
        clock.advance(hours=1)
    assert clock.now() - before < timedelta(hours=1)
    timed_bench.commit(job)
    clock.advance(hours=1)


def test_a_retention_passes(timed_bench: Bench, clock: VirtualClock) -> None:
    """Keys live by the server's own clock, so the move shortens what they have left."""
    job = timed_bench.submit(retention_ms=24 * HOUR)
    end_completed(timed_bench, job)
    clock.advance(hours=23)
    assert 0 < timed_bench.link.call("PTTL", timed_bench.key("job", job)) <= HOUR
    assert job in timed_bench.members("status", "completed")
    clock.advance(hours=1)
    assert timed_bench.hash("job", job) == {}
    assert timed_bench.members("status", "completed") == {}


def test_a_definition_outlives_its_jobs_by_the_moved_clock(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """Its time to live is counted from the moved time on as well."""
    clock.advance(hours=10)
    end_completed(timed_bench, timed_bench.submit(retention_ms=HOUR))
    (left,) = {timed_bench.link.call("PTTL", timed_bench.key("definition", "def1"))}
    assert HOUR - 60_000 < left <= HOUR + 1000


def test_workers_are_as_alive_as_before(timed_bench: Bench, clock: VirtualClock) -> None:
    """Nothing happened to a process because a test moved the clock."""
    reports = WorkerReports(timed_bench.store)
    reports.write("w1", "mark", {"pid": 1}, [])
    assert timed_bench.store.upkeep.lead("me", 6000)
    clock.advance(days=30)
    (report,), _ = reports.read()
    assert report.live
    assert not timed_bench.store.upkeep.lead("other", 6000)


def test_quiet_is_when_nothing_is_due_or_queued(timed_bench: Bench, clock: VirtualClock) -> None:
    """A message that no worker takes is named."""
    clock.run_until_quiet()
    job = timed_bench.submit()
    with pytest.raises(AssertionError, match=f"quiet, but: .*{job}/1.0.0"):
        clock.run_until_quiet(0.01)
    timed_bench.start(job)
    timed_bench.retry_later(job, delay=HOUR)
    clock.run_until_quiet()
