"""What is kept of ended jobs, for how long, and that nothing stays behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.contract.bench import DEFINITION, LONG, Bench
from tests.contract.job_ends import ENDS, end_completed, end_failed
from tests.support.eventually import eventually

#: Milliseconds that a job of these tests is kept.
SHORT = 30


#: slot kind timeout-ms otherwise upstream, as Router.fields writes them.
PAIRS = f"1.0 count {LONG} fail 0\n"


def is_gone(bench: Bench, job: str) -> bool:
    return not bench.hash("job", job)


def nothing_left(bench: Bench) -> bool:
    bench.store.upkeep.prune(100)
    bench.store.upkeep.release_due(100)
    return bench.every_key() == set()


@pytest.mark.parametrize("end", ENDS)
def test_every_key_of_an_ended_job_expires(bench: Bench, end: Callable[[Bench, str], None]) -> None:
    """The end of a job gives each of its keys the job's retention as time to live.

    What tells of timers that have to be taken back lives for an hour longer; the index of open
    joins goes when the job is forgotten.
    """
    job = bench.submit(PAIRS, retention_ms=LONG, idempotency_key="k", mode="o")
    end(bench, job)
    own = [key for key in bench.every_key() if f":{job}" in key] + [bench.key("idempotency", "k")]
    own = [key for key in own if key != bench.key("opened", job)]
    ttls = {key: bench.link.call("PTTL", key) for key in own}
    assert len(own) > 3
    timed = {bench.key(name, job): LONG + 3_600_000 for name in ("invocations", "joins")}
    assert all(0 < ttl <= timed.get(key, LONG) for key, ttl in ttls.items()), ttls


@pytest.mark.parametrize("end", ENDS)
def test_nothing_is_left_of_a_forgotten_job(
    bench: Bench, end: Callable[[Bench, str], None]
) -> None:
    """After the retention and a round of the upkeep no key is left, however the job ended."""
    job = bench.submit(PAIRS, retention_ms=SHORT, idempotency_key="k", mode="o")
    end(bench, job)
    bench.forget_broker()
    eventually(lambda: is_gone(bench, job))
    eventually(
        lambda: nothing_left(bench), message=lambda: f"no key, but {sorted(bench.every_key())}"
    )


def test_nothing_is_left_of_messages_that_nobody_claimed(bench: Bench) -> None:
    """A cancelled job's message may stay on a list that no worker serves; its marks do not."""
    job = bench.submit(retention_ms=SHORT)
    bench.store.control.cancel(job, "")
    eventually(lambda: is_gone(bench, job))
    bench.forget_broker()
    eventually(
        lambda: nothing_left(bench), message=lambda: f"no key, but {sorted(bench.every_key())}"
    )


def test_numbers_outlive_the_jobs_whose_messages_lie_on_a_list(bench: Bench) -> None:
    """What is pushed next is compared with what still lies there, so the numbers go on."""
    job = bench.submit(retention_ms=SHORT)
    bench.store.control.cancel(job, "")
    eventually(lambda: is_gone(bench, job))
    eventually(lambda: bench.store.upkeep.prune(10))
    assert bench.members("expiry") == {}
    assert bench.sent() == [(job, "1.0.0")]
    (number,) = bench.hash("sequences").values()
    later = bench.submit()
    assert bench.number(later) > int(number)


def test_numbers_of_lists_go_one_by_one(bench: Bench) -> None:
    """An empty list loses its numbers although another one is not empty."""
    first, second = bench.submit(retention_ms=SHORT), bench.submit(retention_ms=SHORT, routine=2)
    for job in (first, second):
        bench.store.control.cancel(job, "")
    bench.link.call("DEL", bench.other_list)
    eventually(lambda: is_gone(bench, first) and is_gone(bench, second))
    eventually(lambda: bench.store.upkeep.prune(10) and not bench.members("expiry"))
    assert list(bench.hash("sequences")) == [bench.list]
    assert bench.unclaimed(bench.other_list) == {}


def test_expired_jobs_leave_the_indexes(bench: Bench) -> None:
    """A forgotten job is no longer listed, while those that are kept are."""
    gone, kept = bench.submit(retention_ms=SHORT), bench.submit(retention_ms=LONG)
    for job in (gone, kept):
        end_completed(bench, job)
    eventually(lambda: is_gone(bench, gone))
    assert eventually(lambda: bench.store.upkeep.prune(10)) == 1
    assert list(bench.members("status", "completed")) == [kept]
    assert list(bench.members("expiry")) == [kept]
    assert bench.store.upkeep.prune(10) == 0


def test_an_index_is_swept_after_a_long_silence(bench: Bench) -> None:
    """Jobs leave the indexes although no other job ended since."""
    job = bench.submit(retention_ms=SHORT)
    end_completed(bench, job)
    eventually(lambda: is_gone(bench, job))
    eventually(
        lambda: bench.store.upkeep.prune(10) or not bench.members("status", "completed"),
        1.0,
        "the job to leave the index of completed jobs",
    )
    assert bench.members("status", "completed") == {}


def test_prune_works_in_batches(bench: Bench) -> None:
    """One call forgets at most as many jobs as it is allowed."""
    jobs = [bench.submit(retention_ms=SHORT) for _ in range(3)]
    end_completed(bench, bench.submit(retention_ms=LONG))
    for job in jobs:
        end_completed(bench, job)
    eventually(lambda: all(is_gone(bench, job) for job in jobs))
    eventually(lambda: len(bench.members("status", "completed")) == 1 or forget(bench, most=2))


def forget(bench: Bench, most: int) -> None:
    """Prune once; never more jobs than allowed."""
    before = len(bench.members("status", "completed"))
    forgotten = bench.store.upkeep.prune(most)
    assert forgotten <= most
    assert len(bench.members("status", "completed")) == before - forgotten


def test_a_retried_job_is_kept_again(bench: Bench) -> None:
    """Making a failed job live again takes every time to live back."""
    job = bench.submit(idempotency_key="k", mode="o")
    end_failed(bench, job)
    assert bench.store.control.retry(job) == "ok"
    ttls = {key: bench.link.call("PTTL", key) for key in bench.every_key()}
    ttls.pop(bench.key("expiry"), None)
    assert set(ttls.values()) == {-1}, ttls
    assert bench.members("expiry") == {}


# --- definitions ---------------------------------------------------------------------------


def test_a_definition_lives_while_a_job_pins_it(bench: Bench) -> None:
    """Only when the last job that uses it has ended does it get a time to live."""
    key = bench.key("definition", DEFINITION)
    first, second = bench.submit(), bench.submit()
    end_completed(bench, first)
    assert bench.link.call("PTTL", key) == -1
    end_failed(bench, second)
    assert 0 < bench.link.call("PTTL", key) <= LONG + 1000
    bench.store.control.retry(second)
    assert bench.link.call("PTTL", key) == -1


def test_a_new_job_brings_an_expiring_definition_back(bench: Bench) -> None:
    """A submission without the definition makes the stored one stay."""
    end_completed(bench, bench.submit())
    job = bench.submission()
    assert bench.send(job, None) == job.job_id
    assert bench.link.call("PTTL", bench.key("definition", DEFINITION)) == -1


def test_a_definition_outlives_every_job_that_used_it(bench: Bench) -> None:
    """A job with a short retention does not take the definition from one with a long."""
    long, short = bench.submit(retention_ms=LONG), bench.submit(retention_ms=SHORT)
    end_failed(bench, long)
    end_completed(bench, short)
    definition = bench.link.call("PTTL", bench.key("definition", DEFINITION))
    assert definition >= bench.link.call("PTTL", bench.key("job", long))


def test_a_definition_that_came_back_outlives_earlier_jobs(bench: Bench) -> None:
    """A short job that revives the definition does not shorten what a long one asked for."""
    long = bench.submit(retention_ms=LONG)
    end_failed(bench, long)
    until = bench.hash("definition", DEFINITION)["until"]
    short = bench.submission(retention_ms=SHORT)
    assert bench.send(short, None) == short.job_id
    end_completed(bench, short.job_id)
    assert bench.hash("definition", DEFINITION)["until"] == until
    assert bench.link.call("PTTL", bench.key("definition", DEFINITION)) > LONG / 2
    assert bench.store.control.retry(long) == "ok"


def test_a_definition_lives_as_long_as_the_latest_job_asks(bench: Bench) -> None:
    """A longer retention extends the time of a definition that was about to go."""
    end_completed(bench, bench.submit(retention_ms=SHORT))
    first = int(bench.hash("definition", DEFINITION)["until"])
    end_completed(bench, bench.submit(retention_ms=LONG))
    assert int(bench.hash("definition", DEFINITION)["until"]) >= first + LONG - SHORT
    assert bench.link.call("PTTL", bench.key("definition", DEFINITION)) > LONG / 2
