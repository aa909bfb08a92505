"""What flows did in each of the latest minutes."""

from __future__ import annotations

from flowforge.store.throughput import KEPT_MINUTES, NOTHING, Throughput
from tests.contract.bench import Bench


def shift(bench: Bench, minutes: int) -> None:
    """Let what is kept be older by so many minutes."""
    now = bench.now() // 60_000
    for minute in range(now - KEPT_MINUTES, now + 1):
        old = bench.key("minute", str(minute))
        if bench.link.call("EXISTS", old):
            bench.link.call("RENAME", old, bench.key("minute", str(minute - minutes)))


def test_a_minute_is_the_difference_of_the_totals_around_it(bench: Bench) -> None:
    """Kept once a minute by whoever leads; what is missing between is not known."""
    minutes = Throughput(bench.store)
    assert not minutes.keep(), "there is nothing yet"
    job = bench.submit()
    assert [minutes.keep(), minutes.keep()] == [True, False]
    shift(bench, 1)
    bench.start(job)
    bench.fail(job)
    bench.store.tallies.add("p1", 1, "", {"flow\nr0\ninput": {0: 4, 1: 1, 2: 2, 5: 3}})
    assert minutes.keep()
    (before, last) = minutes.read(2)["flow"]
    assert before is None
    assert last == NOTHING._replace(failed=1, attempts=7, failed_attempts=3, lost_attempts=3)


def test_a_flow_that_begins_has_done_nothing_before(bench: Bench) -> None:
    """And totals that begin again do not fall."""
    minutes = Throughput(bench.store)
    bench.submit()
    minutes.keep()
    shift(bench, 1)
    bench.submit(flow_id="later", definition="d2")
    bench.link.call("HSET", bench.key("job_totals"), "flow\ncreated", 0)
    minutes.keep()
    assert minutes.read(1) == {"flow": [NOTHING], "later": [NOTHING._replace(created=1)]}


def test_minutes_expire(bench: Bench) -> None:
    """After some hours; without any there is nothing to read."""
    minutes = Throughput(bench.store)
    assert minutes.read(60) == {}
    bench.submit()
    minutes.keep()
    (key,) = bench.link.call("KEYS", bench.key("minute", "*"))
    assert 0 < bench.link.call("PTTL", key) <= KEPT_MINUTES * 60_000
