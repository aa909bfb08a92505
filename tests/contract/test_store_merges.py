"""Merging slots: what a delivery is shown, in every attempt, and how long the log is kept."""

from __future__ import annotations

from typing import Any

from flowforge.worker.upkeep.deletions import Deletions
from tests.contract.bench import LONG, Bench, record

SLOT = "1.0"


def deliver(bench: Bench, count: int, **changes: Any) -> str:
    """A job with ``count`` deliveries to one merging slot: ``2.1.0.1``, ``3.1.0.2`` and so on."""
    job = bench.submit(**changes)
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "m")] * count)
    return job


def invocation(position: int) -> str:
    return f"{position + 1}.{SLOT}.{position}"


def look(bench: Bench, job: str, position: int, token: str = "t") -> tuple[int, int]:
    """Where the log begins that a delivery is shown, and how many records come before its own."""
    first, records = bench.store.invocations.view(job, invocation(position), token, 1000)
    assert all(found == record(1, r=1, s=0) for found in records)
    return first, len(records)


def log(bench: Bench, job: str) -> list[int]:
    """Positions of the records that are kept."""
    places = [field.removeprefix(f"{SLOT}.") for field in bench.hash("merges", job)]
    return sorted(int(place) for place in places if place.isdigit())


def reset(bench: Bench, job: str, position: int) -> None:
    """Run a delivery that resets its slot."""
    bench.start(job, invocation(position), "r")
    assert bench.commit(job, invocation(position), "r", resets=[(SLOT, position)]) == "ok"


def test_a_retry_is_shown_what_the_first_attempt_was_shown(bench: Bench) -> None:
    """Another delivery's reset between the two changes nothing for it."""
    job = deliver(bench, 4)
    bench.start(job, invocation(2))
    assert look(bench, job, 2) == (1, 1)
    bench.retry_later(job, invocation(2), delay=-1)
    reset(bench, job, 3)
    bench.store.upkeep.release_due(10)
    bench.start(job, invocation(2), "t2")
    assert look(bench, job, 2, "t2") == (1, 1)
    # What had not started is shown itself alone when it was consumed, else what came since.
    for position, shown in ((1, (1, 0)), (4, (4, 0))):
        bench.start(job, invocation(position))
        assert look(bench, job, position) == shown


def test_a_log_that_is_consumed_is_removed(bench: Bench) -> None:
    """As soon as no delivery can be shown it: not before the last one that was has committed."""
    job = deliver(bench, 5)
    for position in (1, 2):
        bench.start(job, invocation(position))
        look(bench, job, position)
    reset(bench, job, 3)
    assert log(bench, job) == [1, 2, 3, 4, 5]
    bench.commit(job, invocation(2))
    assert log(bench, job) == [1, 2, 3, 4, 5]
    bench.commit(job, invocation(1), outcome="skipped")
    assert log(bench, job) == [4, 5]


def test_an_earlier_view_keeps_what_later_resets_consume(bench: Bench) -> None:
    """A delivery behind several resets is still shown all from where its first attempt began."""
    job = deliver(bench, 6)
    bench.start(job, invocation(5))
    assert look(bench, job, 5) == (1, 4)
    for position in (2, 4, 6):
        reset(bench, job, position)
    assert look(bench, job, 5) == (1, 4)
    bench.commit(job, invocation(5))
    assert log(bench, job) == []
    fields = set(bench.hash("merges", job))
    assert fields == {SLOT, f"{SLOT}.base", f"{SLOT}.low"}


def test_a_log_stays_bounded_in_a_job_without_end(bench: Bench) -> None:
    """A slot that its handler resets each time holds one record, however long it goes on."""
    job = deliver(bench, 1)
    for position in range(1, 50):
        bench.start(job, invocation(position))
        look(bench, job, position)
        bench.commit(job, invocation(position), emitted=[(1, 0, "m")], resets=[(SLOT, position)])
        assert log(bench, job) == [position + 1]
    assert len(bench.hash("merges", job)) == 4


def test_a_long_log_is_removed_in_pieces(bench: Bench) -> None:
    """By the upkeep, as all that is large."""
    job = deliver(bench, 1234, max_in_flight=10)
    bench.start(job, invocation(1))
    bench.commit(job, invocation(1), resets=[(SLOT, -1)])
    assert len(log(bench, job)) == 1234
    assert Deletions(bench.store).run_once() == 3
    assert log(bench, job) == []


def test_a_view_without_its_lease_keeps_nothing(bench: Bench) -> None:
    """Who has lost the lease commits nothing, so nothing would end what it keeps."""
    job = deliver(bench, 2)
    bench.start(job, invocation(2), lease=-LONG)
    bench.store.upkeep.reclaim(9, 10)
    before = bench.hash("merges", job)
    assert bench.store.invocations.view(job, invocation(2), "t", 1000) == (0, [])
    assert bench.hash("merges", job) == before


def test_a_view_of_an_ended_job_keeps_nothing(bench: Bench) -> None:
    """What a handler of a cancelled job asks for would stay when all else has gone."""
    job = deliver(bench, 2)
    bench.start(job, invocation(2), "t")
    bench.store.control.cancel(job, "")
    assert look(bench, job, 2) == (0, 0)
    assert bench.hash("merges", job) == {}
