"""What flows did in each of the latest minutes."""

from __future__ import annotations

import pytest

from flowforge.store.fleet_reads.throughput import (
    KEPT_MINUTES,
    KEPT_QUARTERS,
    NOTHING,
    QUARTER,
    Throughput,
)
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
    bench.store.tallies.add("p1", 1, "", {("slot", "flow\nr0\ninput"): {0: 4, 1: 1, 2: 2, 5: 3}})
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
    assert 0 < bench.link.call("PTTL", key) <= KEPT_QUARTERS * 60_000


def test_a_quarter_of_an_hour_is_kept_for_a_day(bench: Bench) -> None:
    """One minute in fifteen; the others go after four hours."""
    kept = bench.store.tallies.keep_minute
    throughput = Throughput(bench.store)
    latest = bench.now() // 60_000 // QUARTER * QUARTER
    for place, minute in enumerate(range(latest - 4 * QUARTER, latest + 1, QUARTER)):
        if place != 2:
            kept(minute, 60_000, {"flow": f"{place * 10} {place} 0 0 0 0 0"})
    (begin, after, before, end) = throughput.read(4, QUARTER)["flow"]
    assert begin == end == NOTHING._replace(created=10, completed=1)
    assert after is None
    assert before is None


@pytest.mark.parametrize(
    ("minute", "kept"), [(QUARTER * 1000, KEPT_QUARTERS), (QUARTER * 1000 + 1, KEPT_MINUTES)]
)
def test_how_long_a_minute_is_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, minute: int, kept: int
) -> None:
    throughput = Throughput(bench.store)
    monkeypatch.setattr(throughput, "_minute", lambda: minute)
    bench.submit()
    assert throughput.keep()
    left = bench.link.call("PTTL", bench.key("minute", str(minute)))
    assert (kept - 1) * 60_000 < left <= kept * 60_000


def test_what_was_read_is_remembered(bench: Bench) -> None:
    """A minute that was kept does not change; one that is missing may come."""
    throughput = Throughput(bench.store)
    now = bench.now() // 60_000
    keep = bench.store.tallies.keep_minute
    for minute in range(now - 20, now + 1):
        if minute != now - 1:
            keep(minute, 60_000, {"flow": f"{minute} 0 0 0 0 0 0"})
    first = throughput.read(20)["flow"]
    assert first.count(None) == 2
    bench.link.call("DEL", *bench.link.call("KEYS", bench.key("minute", "*")))
    keep(now - 1, 60_000, {"flow": f"{now - 1} 0 0 0 0 0 0"})
    assert throughput.read(19)["flow"].count(None) == 0


def test_a_minute_that_was_not_kept_is_not_looked_for_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once no worker keeps it any more: a young fleet has few, and pages ask for an hour."""
    throughput = Throughput(bench.store)
    now = bench.now() // 60_000
    bench.store.tallies.keep_minute(now, 60_000, {"flow": "1 0 0 0 0 0 0"})
    asked: list[object] = []
    many = bench.link.many
    monkeypatch.setattr(
        bench.link, "many", lambda commands: asked.extend(commands) or many(commands)
    )
    first = throughput.read(60)
    assert len(asked) == 61
    asked.clear()
    assert throughput.read(60) == first
    assert 0 < len(asked) <= 7


@pytest.mark.attack(what="Minutes of the throughput that are no numbers, or of another type")
@pytest.mark.parametrize("damage", ["1 2 3", "1 0 0 0 0 0 x", "9" * 400 + " 0 0 0 0 0 0", None])
def test_a_damaged_minute_is_one_of_which_nothing_is_known(
    server_bench: Bench, damage: str | None
) -> None:
    """It is passed over, and the minutes around it are read."""
    throughput = Throughput(server_bench.store)
    now = server_bench.now() // 60_000
    for minute in range(now - 4, now + 1):
        server_bench.store.tallies.keep_minute(minute, 60_000, {"flow": f"{minute} 0 0 0 0 0 0"})
    key = server_bench.key("minute", str(now - 3))
    if damage is None:
        server_bench.link.call("DEL", key)
        server_bench.link.call("SET", key, "no hash")
    else:
        server_bench.link.call("HSET", key, "flow", damage)
    one = NOTHING._replace(created=1)
    assert throughput.read(4) == {"flow": [None, None, one, one]}
