"""What is too large to be deleted at once is deleted in pieces."""

from __future__ import annotations

from flowforge.worker.upkeep.deletions import Deletions
from tests.contract.bench import LARGE, LONG, Bench
from tests.support.eventually import eventually

# slot kind timeout-ms otherwise upstream, as Router.fields writes them.
COUNT = "1.0 count 0 fail 0\n"

#: More than a script deletes itself.
MANY = 1234


def start(bench: Bench, items: int, others: int = 0, **changes: object) -> str:
    """A job with a full collection of `items`, and `others` of one that stays open."""
    job = bench.submit(COUNT, **changes)
    bench.start(job)
    emitted = [(1, 0, f"j{items}:a")] * items + [(1, 0, "j9999:b")] * others
    bench.commit(job, emitted=[*emitted, (0, 1, "")])
    return job


def deletions(bench: Bench) -> list[bytes]:
    found: list[bytes] = bench.link.call("LRANGE", bench.key("deletions"), 0, -1)
    return found


def waiting_fields(bench: Bench) -> int:
    """Fields of keys that wait for their deletion."""
    keys = [bench.key("deleted", entry.decode()) for entry in deletions(bench)]
    return sum(bench.link.call("HLEN", key) for key in keys)


def delete_all(bench: Bench, most: int) -> int:
    """How many pieces it takes to delete everything that waits."""
    pieces = 0
    while bench.store.upkeep.delete(most):
        pieces += 1
    return pieces


def test_a_large_hash_of_a_job_that_ends_is_deleted_in_pieces(bench: Bench) -> None:
    """At the end it is out of the job's way; each piece is as large as was asked for."""
    job = start(bench, 2, others=MANY)
    bench.store.control.cancel(job, "")
    assert bench.hash("collected", job) == {}
    assert deletions(bench) == [f"j:{job}:c".encode()]
    assert waiting_fields(bench) == MANY + 2
    bench.store.upkeep.delete(500)
    assert waiting_fields(bench) == MANY + 2 - 500
    assert delete_all(bench, 500) == 2
    assert not [key for key in bench.every_key() if ":x:" in key or key == bench.key("deletions")]


@LARGE
def test_timers_go_with_what_they_are_for(bench: Bench) -> None:
    """Those of many open joins and many retries are cleared piece by piece."""
    job = bench.submit(f"1.0 count {LONG} fail 0\n", max_in_flight=MANY)
    bench.start(job)
    bench.commit(job, emitted=[*[(1, 0, f"j9:{n}") for n in range(MANY)], *[(0, 1, "")] * MANY])
    for number in range(MANY + 2, 2 * MANY + 2):
        bench.start(job, f"{number}.0.1")
        bench.retry_later(job, f"{number}.0.1", delay=LONG)
    assert len(bench.members("timers")) == 2 * MANY
    bench.store.control.cancel(job, "")
    assert delete_all(bench, 500) > 4
    assert bench.members("timers") == {}


def test_small_hashes_are_deleted_at_once(bench: Bench) -> None:
    """They are no work for the upkeep."""
    job = start(bench, 2, others=20)
    bench.store.control.cancel(job, "")
    assert bench.hash("collected", job) == {}
    assert deletions(bench) == []
    assert bench.store.upkeep.delete(500) == 0


def test_a_full_piece_may_be_the_last(bench: Bench) -> None:
    """A number of fields that pieces divide evenly leaves nothing either."""
    job = start(bench, 1000)
    bench.store.control.cancel(job, "")
    delete_all(bench, 500)
    assert deletions(bench) == []
    assert not [key for key in bench.every_key() if ":x:" in key]


def test_parked_work_of_a_cancelled_job_may_be_large(bench: Bench) -> None:
    """Parked invocations count like items of joins."""
    job = bench.submit(max_in_flight=1)
    bench.start(job)
    bench.commit(job, emitted=[(0, 0, "")] * MANY)
    bench.store.control.cancel(job, "")
    assert bench.invocations(job) == set()
    assert waiting_fields(bench) == MANY
    delete_all(bench, 1000)
    assert deletions(bench) == []


def test_items_of_a_large_collection_go_without_the_others(bench: Bench) -> None:
    """Its handler is done, the job goes on: what shares the hash stays."""
    job = start(bench, MANY, others=3)
    bench.start(job, "2.1.0")
    bench.commit(job, "2.1.0", resets=[("", MANY)])
    assert len(bench.hash("collected", job)) == MANY + 3
    assert delete_all(bench, 500) == 3
    assert set(bench.hash("collected", job)) == {"3.1", "3.2", "3.3"}
    assert deletions(bench) == []


def test_items_of_a_job_that_has_ended_meanwhile_are_no_work(bench: Bench) -> None:
    """The hash itself waits for its deletion."""
    job = start(bench, MANY, others=3)
    bench.start(job, "2.1.0")
    bench.commit(job, "2.1.0", resets=[("", MANY)])
    bench.store.control.cancel(job, "")
    assert len(deletions(bench)) == 2
    assert delete_all(bench, 10_000) == 2
    assert bench.hash("collected", job) == {}
    assert not [key for key in bench.every_key() if ":x:" in key]


def test_a_failed_job_keeps_its_work_until_it_is_forgotten(bench: Bench) -> None:
    """It was not retried: retention deletes its large hashes, before the server frees them."""
    job = start(bench, 2, others=MANY, retention_ms=20)
    bench.start(job, "4.0.1")
    bench.fail(job, "4.0.1")
    collected = bench.key("collected", job)
    assert bench.link.call("PTTL", collected) > 3_000_000
    assert eventually(lambda: bench.store.upkeep.prune(10)) == 1
    assert deletions(bench) == [f"j:{job}:c".encode()]
    delete_all(bench, 1000)
    assert not [key for key in bench.every_key() if job in key]


def test_a_retried_job_keeps_its_large_hashes(bench: Bench) -> None:
    """Nothing of it goes with the time that it would have had."""
    job = start(bench, 2, others=MANY, retention_ms=LONG)
    bench.start(job, "4.0.1")
    bench.fail(job, "4.0.1")
    assert bench.store.upkeep.prune(10) == 0
    assert bench.store.control.retry(job) == "ok"
    assert bench.link.call("PTTL", bench.key("collected", job)) == -1
    assert len(bench.hash("collected", job)) == MANY + 2


def test_the_upkeep_deletes_what_waits(bench: Bench) -> None:
    """In one round, unless there is very much."""
    job = start(bench, 2, others=MANY)
    bench.store.control.cancel(job, "")
    assert Deletions(bench.store).run_once() == 3
    assert deletions(bench) == []
    assert Deletions(bench.store).run_once() == 0


def test_a_row_that_still_lives_keeps_its_work(bench: Bench) -> None:
    """It may be retried in this very moment: the next round of the upkeep finds it."""
    job = start(bench, 2, others=MANY, retention_ms=LONG)
    bench.start(job, "4.0.1")
    bench.fail(job, "4.0.1")
    bench.link.call("ZADD", bench.key("expiry"), 1, job)
    assert bench.store.upkeep.prune(10) == 0
    assert bench.store.control.retry(job) == "ok"
    assert len(bench.hash("collected", job)) == MANY + 2


def test_a_job_of_nothing_but_large_hashes_ends(bench: Bench) -> None:
    """Nothing small is left to be deleted at once."""
    job = bench.submit()
    names = ("invocations", "claims", "merges", "outstanding", "joins", "collected")
    for name in names:
        for n in range(0, MANY, 100):
            fields = [part for m in range(n, n + 100) for part in (f"f{m}", "x")]
            bench.link.call("HSET", bench.key(name, job), *fields)
    assert bench.store.control.cancel(job, "") == "ok"
    assert len(deletions(bench)) == len(names)
    assert list(bench.members("expiry")) == [job]
