"""Deleting jobs that have ended: all that is kept of them, and what becomes of their families."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.submission import SAME_PARAMS
from tests.contract.bench import Bench, record
from tests.contract.job_ends import ENDS
from tests.support.eventually import eventually


def delete(bench: Bench, job: str) -> object:
    return bench.store.control.delete(job)


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_nothing_is_left_of_a_deleted_job(bench: Bench, end: Callable[[Bench, str], None]) -> None:
    """Its keys, indexes, labels, counters, timers and idempotency key go at once."""
    other = bench.submit()
    before = bench.every_key()
    bench.store.control.cancel(other, "")
    job = bench.submit(
        idempotency_key="4:flow/k", labels="a=b", record=record(n=1), params=SAME_PARAMS,
        definition="own", joins="1.0 count 600000 fail 0\n",
    )  # fmt: skip
    end(bench, job)
    assert delete(bench, job) is Answer.OK
    assert delete(bench, job) is Answer.GONE
    left = {key for key in bench.every_key() - before if "d:own" not in key}
    assert not [key for key in left if job in key]
    assert not bench.link.call("GET", bench.key("idempotency", "4:flow/k"))
    assert job not in bench.members("expiry") | bench.members("flow", "flow")
    assert not [timer for timer in bench.members("timers") if timer.startswith(job)]
    assert bench.hash("flow_counts") == {"cancelled/flow": b"1"}
    assert bench.submit(idempotency_key="4:flow/k")


@pytest.mark.parametrize("status", ["pending", "running", "paused"])
def test_a_job_that_has_not_ended_is_not_deleted(bench: Bench, status: str) -> None:
    """The answer is its status, and nothing has changed."""
    job = bench.submit()
    if status == "running":
        bench.start(job)
    elif status == "paused":
        bench.pause(job)
    before = bench.snapshot()
    assert delete(bench, job) == status
    assert bench.snapshot() == before


def test_a_key_of_a_later_job_stays(bench: Bench) -> None:
    """It is no longer the deleted job's."""
    job = bench.submit(idempotency_key="4:flow/k")
    bench.store.control.cancel(job, "")
    bench.link.call("SET", bench.key("idempotency", "4:flow/k"), "another")
    assert delete(bench, job) is Answer.OK
    assert bench.link.call("GET", bench.key("idempotency", "4:flow/k")) == b"another"


def test_what_still_runs_or_waits_finds_no_job(bench: Bench) -> None:
    """A commit is refused, a popped message grants nothing, and a lease goes by itself."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(0, 0, ""), (0, 0, "")])
    bench.start(job, "2.0.0", "t2", lease=-1)
    bench.store.control.cancel(job, "")
    assert delete(bench, job) is Answer.OK
    assert bench.commit(job, "2.0.0", "t2") == "gone"
    assert bench.claim(job, "3.0.0") == "gone"
    assert bench.reclaim(9, 10) == (0, 0, 1)
    members = [(member.encode(), number) for member, number in bench.unclaimed().items()]
    assert bench.store.upkeep.resend(bench.list, members).counts == (0, 0, 1)
    assert not [key for key in bench.every_key() if job in key]


def test_a_child_job_stays_until_its_parent_has_taken_its_end(bench: Bench) -> None:
    """Then it can be deleted, whatever the parent does."""
    parent = bench.submit()
    bench.start(parent)
    bench.commit(parent, jobs=[bench.child()])
    bench.start("child")
    bench.commit("child")
    assert delete(bench, "child") is Answer.AWAITED
    bench.start(parent, "2.0.99999")
    bench.commit(parent, "2.0.99999")
    assert delete(bench, "child") is Answer.OK
    assert bench.status(parent) == "completed"


def test_child_jobs_of_a_deleted_job_are_cancelled(bench: Bench) -> None:
    """They can never be waited for again."""
    parent = bench.submit()
    bench.start(parent)
    bench.commit(parent, emitted=[(0, 1, "")], jobs=[bench.child()])
    bench.start(parent, "2.0.1")
    bench.fail(parent, "2.0.1")
    assert bench.status("child") == "pending"
    assert delete(bench, parent) is Answer.OK
    eventually(lambda: bench.store.upkeep.release_due(10) or bench.status("child") == "cancelled")
    assert bench.status("child") == "cancelled"
    assert delete(bench, "child") is Answer.OK
