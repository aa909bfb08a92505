"""Many open expectations: a call of a script does a bounded part, and lists lose what is gone."""

from __future__ import annotations

from itertools import pairwise

import pytest

from flowforge.model.jobs.bulk import BulkAction
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.bulks import NewBulk
from flowforge.worker.upkeep.retention import Retention
from flowforge.worker.upkeep.vanished_answers import VanishedAnswers
from tests.contract.asking import HOUR, answer, expected, expecting, shared
from tests.contract.bench import Bench, record
from tests.support.virtual_clock import VirtualClock


def asking(bench: Bench, number: int, *, within: int = HOUR, retention_ms: int = HOUR) -> str:
    """A job that expects as many answers."""
    wanted = [
        expected(str(key), within=within, assign="ops", first=key + 1) for key in range(number)
    ]
    return expecting(bench, *wanted, retention_ms=retention_ms)


def test_the_assignees_that_have_any_are_known(timed_bench: Bench) -> None:
    """Until the last answer."""
    bench = timed_bench
    job = expecting(bench, expected("a", assign="ops\tlegal"), expected("b", first=2, assign="ops"))
    known = bench.store.expectations.assignees
    assert sorted(known("0", 10)[1]) == ["legal", "ops"]
    answer(bench, job, "a")
    assert known("0", 10) == ("0", ["ops"])
    answer(bench, job, "b")
    assert known("0", 10) == ("0", [])
    assert not bench.link.call("EXISTS", bench.key("assignees"))


@pytest.mark.parametrize("lost", [["job"], ["expectations"], ["job", "expectations"]])
def test_what_no_job_expects_any_more_is_not_listed(timed_bench: Bench, lost: list[str]) -> None:
    """Keys that were deleted by hand; what other jobs expect stays."""
    bench = timed_bench
    gone, kept = asking(bench, 30), expecting(bench, expected(assign="ops\tlegal"))
    for name in lost:
        bench.link.call("DEL", bench.key(name, gone))
    duty = VanishedAnswers(bench.store)
    assert duty.run_once() == 60
    assert set(bench.members("open_expectations")) == {f"{kept}/2"}
    assert set(bench.members("assigned", "ops")) == {f"{kept}/2"}
    assert duty.run_once() == 0
    bench.link.call("DEL", bench.key("job", kept))
    assert duty.run_once() == 3
    assert not bench.link.call("EXISTS", bench.key("assignees"))


def test_the_look_goes_on_where_it_was(timed_bench: Bench) -> None:
    """Over many entries and many assignees, some at each look."""
    bench = timed_bench
    names = [f"n{number}" for number in range(40)]
    jobs = [
        expecting(bench, expected(assign="\t".join(names[at : at + 4]))) for at in range(0, 40, 4)
    ]
    bench.link.call("ZADD", bench.key("open_expectations"), *(
        part for number in range(3000) for part in (number, f"lost/{number}")
    ))  # fmt: skip
    for job in jobs:
        bench.link.call("DEL", bench.key("job", job))
    duty = VanishedAnswers(bench.store)
    looks = [duty.run_once() for _ in range(20)]
    assert sum(looks) == 3000 + 10 + 40
    assert max(looks) < 3000
    assert shared(bench)[0] == set()


def test_jobs_with_many_open_answers_are_forgotten_some_at_a_time(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """The retention goes on until all are."""
    bench = timed_bench
    jobs = [asking(bench, 100, retention_ms=2 * HOUR) for _ in range(6)]
    clock.advance(hours=1)
    for job in jobs:
        bench.link.call("DEL", bench.key("job", job))
        bench.link.call("ZADD", bench.key("expiry"), 0, job)
    assert len(shared(bench)[0]) == 600
    assert bench.store.upkeep.prune(100) == 3
    assert Retention(bench.store).run_once() == 3
    assert shared(bench) == (set(), set())


def test_a_bulk_operation_cancels_few_of_them_at_once(timed_bench: Bench) -> None:
    """As many as have 256 open answers."""
    bench = timed_bench
    collected = bench.store.bulks.collect("b1", 0, [asking(bench, 100) for _ in range(6)])
    bench.store.bulks.start("b1", collected, NewBulk(BulkAction.CANCEL, "kim", "", None, "", {}))
    piece = bench.store.bulks.step()
    assert (piece.acted, piece.left) == (3, 3)
    assert len(shared(bench)[0]) == 300


def test_those_of_a_large_job_are_deleted_a_hundred_at_a_time(timed_bench: Bench) -> None:
    """By the upkeep."""
    bench = timed_bench
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(0, 0, "")] * 2)
    for place, invocation in enumerate(("2.0.0", "3.0.0")):
        bench.start(job, invocation)
        keys = range(100 * place, 100 * place + 100)
        wanted = [expected(str(key), within=HOUR, first=key % 100 + 1) for key in keys]
        assert bench.commit(job, invocation, expected=wanted) is Answer.OK
    bench.store.control.cancel(job, "", "anna")
    left = [len(shared(bench)[0])]
    while bench.store.upkeep.delete(500):
        left.append(len(shared(bench)[0]))
    assert left[0] == 200
    assert max(before - after for before, after in pairwise(left)) == 100
    assert shared(bench) == (set(), set())


@pytest.mark.parametrize("jobs", [1, 30])
def test_a_retry_gives_all_of_a_group_their_time_again(
    timed_bench: Bench, clock: VirtualClock, jobs: int
) -> None:
    """The time of a group is kept once, however many there are in it; the upkeep does the rest."""
    bench = timed_bench
    job = bench.submit(retention_ms=10 * HOUR)
    bench.start(job)
    bench.commit(job, emitted=[(0, 0, "")] * jobs)
    for place in range(jobs):
        bench.start(job, f"{place + 2}.0.0")
        group = [expected(f"{place}-{key}", within=HOUR, last=3) for key in range(3)]
        bench.commit(job, f"{place + 2}.0.0", expected=group)
    clock.advance(hours=1)
    clock.advance(seconds=1)
    assert bench.row(job)["status"] == "failed"
    assert bench.link.call("LLEN", bench.key("late", job)) == jobs
    assert shared(bench)[1] == set()
    bench.store.control.retry(job, "anna", "")
    clock.advance(seconds=1)
    assert len(shared(bench)[1]) == 3 * jobs
    clock.advance(minutes=58)
    assert bench.row(job)["status"] == "running"
    clock.advance(minutes=2)
    assert bench.row(job)["status"] == "failed"


def test_early_answers_are_found_among_many(timed_bench: Bench) -> None:
    """Those that are there are delivered by the commit, and the others stay open."""
    bench = timed_bench
    job = bench.submit()
    for key in ("3", "7", "40"):
        answer(bench, job, key, x=key)
    bench.start(job)
    wanted = [expected(str(key), first=key + 1) for key in range(50)]
    bench.commit(job, expected=wanted, emitted=[(0, 0, "")])
    row = bench.row(job)
    assert (row["expected"], row["queued"]) == ("47", "4")


def test_what_is_expected_in_place_of_others_counts_with_them(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """One look at timers ends the time of few groups."""
    bench = timed_bench
    for _ in range(30):
        group = [expected(str(key), within=HOUR, last=20, any_otherwise=True) for key in range(19)]
        expecting(bench, *group, expected("o", within=HOUR, last=20, otherwise=record(1)))
    at = bench.link.call("ZRANGE", bench.key("timers"), 0, -1)
    bench.link.call("ZADD", bench.key("timers"), *(part for one in at for part in (1, one)))
    bench.store.upkeep.release_due(64)
    left = len(shared(bench)[0])
    assert 30 * 20 - 260 < left < 30 * 20
