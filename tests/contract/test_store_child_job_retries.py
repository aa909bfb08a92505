"""Parents and child jobs that have failed are retried in any order; earlier reports are void."""

from __future__ import annotations

from itertools import permutations

import pytest

from flowforge.store.transitions.claims import Claim
from tests.contract.bench import LONG, Bench
from tests.contract.child_jobs import (
    WAITS,
    broken_family,
    complete,
    fail,
    parent_of_one,
    queued,
    upkeep,
)


@pytest.mark.parametrize("claimed_between", [True, False])
def test_a_family_goes_on_when_child_and_parent_are_retried(
    bench: Bench, claimed_between: bool
) -> None:
    """The child is waited for again, even if a worker came while its parent was still failed."""
    parent = broken_family(bench)
    assert bench.store.control.retry("child") == "ok"
    if claimed_between:
        assert bench.claim("child", "1.0.0", "c2") == "paused"
    assert bench.store.control.retry(parent) == "ok"
    upkeep(bench)
    assert bench.claim(parent, WAITS, "w2") == "paused"
    assert queued(bench, parent) == set()
    complete(bench, "child")
    assert queued(bench, parent) == {WAITS}
    bench.start(parent, WAITS, "w3")
    bench.commit(parent, WAITS, "w3")
    assert bench.status(parent) == "completed"


def test_nothing_of_a_failed_parent_stays_for_ever(bench: Bench) -> None:
    """What is kept of a child that was retried goes when the parent does."""
    parent = broken_family(bench)
    bench.store.control.retry("child")
    ttls = {key: bench.link.call("PTTL", key) for key in bench.every_key() if parent in key}
    assert all(0 < ttl <= LONG for ttl in ttls.values()), ttls


def test_a_child_that_is_retried_below_a_failed_parent_ends_with_it(bench: Bench) -> None:
    """Its work is parked for the parent's retry; when that cannot come any more, it is told so."""
    parent = broken_family(bench)
    assert bench.store.control.retry("child") == "ok"
    assert bench.claim("child", "1.0.0", "c2") == "paused"
    bench.link.call("DEL", bench.key("job", parent))
    for member in bench.members("timers"):
        bench.link.call("ZADD", bench.key("timers"), 1, member)
    upkeep(bench)
    assert bench.status("child") == "cancelled"


def run_all(bench: Bench) -> None:
    """Upkeep and workers, until nothing is left; what waits finds how its child is."""
    while True:
        upkeep(bench)
        if not (waiting := bench.unclaimed()):
            return
        for member in sorted(waiting):
            job, invocation = member.split("/")
            if isinstance(bench.claim(job, invocation, "run"), Claim):
                child = STARTS.get(job) if invocation == WAITS else None
                if child is None or bench.status(child) == "completed":
                    assert bench.commit(job, invocation, "run") == "ok"
                else:
                    assert bench.fail(job, invocation, "run") == "ok"


#: Who has started whom.
STARTS = {"grandparent": "parent", "parent": "child"}


def broken_generations(bench: Bench) -> None:
    """Three jobs, each started by the one before, all failed because the last one did."""
    bench.submit(job_id="grandparent")
    for job, child in STARTS.items():
        bench.start(job)
        bench.commit(job, jobs=[bench.child(child)])
    fail(bench, "child")
    run_all(bench)
    assert {bench.status(job) for job in (*STARTS, "child")} == {"failed"}


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("order", [*permutations(["grandparent", "parent", "child"])])
def test_a_family_may_be_retried_in_any_order(
    bench: Bench, order: tuple[str, ...], quick: bool
) -> None:
    """All of it completes, whether or not workers come between; each retry is accepted."""
    broken_generations(bench)
    for job in order:
        assert bench.store.control.retry(job) == "ok"
        if quick:
            run_all(bench)
    run_all(bench)
    assert {job: bench.status(job) for job in order} == dict.fromkeys(order, "completed")
    assert all(bench.counters(job) == (0, 0, 0, 0) for job in order)


def test_the_retry_of_a_job_is_one_of_those_that_made_it_fail(bench: Bench) -> None:
    """Retried alone, the first parent takes its child jobs along."""
    broken_generations(bench)
    assert bench.store.control.retry("grandparent") == "ok"
    run_all(bench)
    assert bench.status("grandparent") == bench.status("child") == "completed"


def test_a_retry_that_the_parents_was_already_is_accepted_once(bench: Bench) -> None:
    """After that the child is a job like any other, which has not failed."""
    parent = broken_family(bench)
    bench.store.control.retry(parent)
    assert bench.claim(parent, WAITS, "w2") == "paused"
    upkeep(bench)
    assert bench.status("child") == "running"
    assert bench.store.control.retry("child") == "ok"
    assert bench.store.control.retry("child") == "running"


def test_a_child_that_fails_again_is_told_again(bench: Bench) -> None:
    """A retry is one retry, of the parent and of the child."""
    parent = broken_family(bench)
    bench.store.control.retry(parent)
    bench.claim(parent, WAITS, "w2")
    upkeep(bench)
    fail(bench, "child")
    bench.start(parent, WAITS, "w3")
    assert bench.fail(parent, WAITS, "w3") == "ok"
    assert bench.status(parent) == bench.status("child") == "failed"
    upkeep(bench)
    assert bench.status("child") == "failed"


def test_a_child_that_cannot_be_retried_is_told_at_once(bench: Bench) -> None:
    """Its definition is gone: what waits finds that out, and the parent fails with it."""
    parent = broken_family(bench)
    bench.link.call("DEL", bench.key("definition", "def-child"))
    assert bench.store.control.retry("child") == "undefined"
    bench.store.control.retry(parent)
    assert bench.claim(parent, WAITS, "w2") == "paused"
    upkeep(bench)
    bench.start(parent, WAITS, "w3")


@pytest.mark.parametrize("way", ["fail", "error_continued", "retry"])
@pytest.mark.parametrize("ended", [True, False])
def test_what_was_found_before_the_child_was_retried_does_not_count(
    bench: Bench, way: str, ended: bool
) -> None:
    """The attempt has seen a failed child; the parent waits for the end that comes now."""
    parent = parent_of_one(bench)
    fail(bench, "child")
    bench.start(parent, WAITS, "w")
    assert bench.store.control.retry("child") == "ok"
    if ended:
        complete(bench, "child")
    if way == "fail":
        assert bench.fail(parent, WAITS, "w") == "ok"
    elif way == "retry":
        assert bench.retry_later(parent, WAITS, "w", LONG) == "ok"
    else:
        assert bench.commit(parent, WAITS, "w", outcome=way, emitted=[(1, 0, "")]) == "ok"
    assert bench.status(parent) == "running"
    assert bench.invocations(parent) == {WAITS}
    if not ended:
        assert bench.counters(parent) == (0, 0, 0, 0)
        complete(bench, "child")
    assert bench.counters(parent) == (1, 0, 0, 0)
    bench.start(parent, WAITS, "w2")
    bench.commit(parent, WAITS, "w2")
    assert bench.status(parent) == "completed"


@pytest.mark.parametrize("more", [True, False])
def test_a_child_that_nobody_waits_for_any_more_runs_alone(bench: Bench, more: bool) -> None:
    """Its parent has gone on without it; whether and how that ends is nothing to the child."""
    parent = parent_of_one(bench)
    fail(bench, "child")
    bench.start(parent, WAITS, "w")
    emitted = [(1, 0, "")] if more else []
    bench.commit(parent, WAITS, "w", outcome="error_continued", emitted=emitted)
    assert bench.status(parent) == ("running" if more else "completed")
    assert bench.store.control.retry("child") == "ok"
    if more:
        bench.store.control.cancel(parent, "")
    upkeep(bench)
    complete(bench, "child")
    assert bench.status("child") == "completed"
    assert "parent" not in bench.row("child")


def test_a_child_of_a_cancelled_job_is_not_retried(bench: Bench) -> None:
    """A cancelled job takes along what it has started, also what had failed before."""
    parent = broken_family(bench)
    bench.store.control.retry(parent)
    bench.store.control.cancel(parent, "")
    before = bench.snapshot()
    assert bench.store.control.retry("child") == "orphaned"
    assert bench.snapshot() == before
