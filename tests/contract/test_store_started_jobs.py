"""Jobs that handlers start: detached, later, and those whose failure the parent job survives."""

from __future__ import annotations

from flowforge.model.times.start import Start
from flowforge.store.transitions.answers import Answer
from tests.contract.bench import Bench
from tests.contract.child_jobs import WAITS, complete, fail, parent_of_one, queued
from tests.support.virtual_clock import VirtualClock


def start_child(bench: Bench, **changes: object) -> str:
    """A job whose handler starts another one; its id."""
    parent = bench.submit()
    bench.start(parent)
    assert bench.commit(parent, jobs=[bench.child(**changes)]) == "ok"  # type: ignore[arg-type]
    return parent


def test_nothing_waits_for_a_detached_job(timed_bench: Bench) -> None:
    """The parent ends; it is created with the commit, once, and is no child job."""
    bench = timed_bench
    parent = bench.submit()
    bench.start(parent)
    jobs = [bench.child(waiter=b"")]
    assert bench.commit(parent, jobs=jobs) == "ok"
    assert bench.commit(parent, jobs=jobs) == "done"
    assert bench.status(parent) == "completed"
    assert bench.history(parent)[-1] == ("started_job", "1.0.0")
    row = bench.row("child")
    assert (row["status"], row["started_by"]) == ("pending", f"{parent}/1.0.0")
    assert "parent" not in row
    assert row["v"] == "1"
    complete(bench, "child")
    assert bench.store.control.delete("child") is Answer.OK


def test_a_detached_job_goes_on_whatever_happens_to_the_other(timed_bench: Bench) -> None:
    """A pause and a cancel of the job that started it do not reach it."""
    bench = timed_bench
    parent = bench.submit()
    bench.start(parent)
    bench.commit(parent, emitted=[(0, 1, "")], jobs=[bench.child(waiter=b"")])
    bench.pause(parent)
    bench.start("child", token="c")
    assert bench.store.control.cancel(parent, "") is Answer.OK
    assert bench.commit("child", token="c") == "ok"


def test_a_job_can_be_started_later(timed_bench: Bench, clock: VirtualClock) -> None:
    """Its delay counts from the commit, and the parent waits for it meanwhile."""
    parent = start_child(timed_bench, mode=Start("+", 60_000).mode(""))
    row = timed_bench.row("child")
    assert int(row["due"]) == int(row["created"]) + 60_000
    clock.advance(seconds=59)
    assert "child/1.0.0" not in timed_bench.unclaimed()
    assert timed_bench.status(parent) == "running"
    clock.advance(seconds=1)
    complete(timed_bench, "child")
    assert queued(timed_bench, parent) == {"2.0.99999"}


def test_a_parent_that_goes_on_has_seen_the_failure(timed_bench: Bench) -> None:
    """Its commit ends the waiting; a retry of the child job then runs that alone."""
    bench = timed_bench
    parent = start_child(bench, goes_on=1)
    assert bench.row(parent)["v"] == "5"
    fail(bench, "child")
    bench.start(parent, "2.0.99999", "w")
    assert bench.commit(parent, "2.0.99999", "w") == "ok"
    assert bench.status(parent) == "completed"
    assert bench.store.control.retry("child") is Answer.OK
    assert "parent" not in bench.row("child")
    bench.start("child", token="again")
    assert bench.commit("child", token="again") == "ok"


def test_a_retry_under_the_handler_that_goes_on_is_waited_for(timed_bench: Bench) -> None:
    """What the attempt was told is not true any more: it does not count."""
    bench = timed_bench
    parent = start_child(bench, goes_on=1)
    fail(bench, "child")
    bench.start(parent, "2.0.99999", "w")
    assert bench.store.control.retry("child") is Answer.OK
    assert bench.commit(parent, "2.0.99999", "w") == "ok"
    assert bench.status(parent) == "running"
    assert bench.hash("children", parent) == {"child": b"2.0.99999"}
    bench.start("child", token="again")
    bench.commit("child", token="again")
    bench.start(parent, "2.0.99999", "w2")
    assert bench.commit(parent, "2.0.99999", "w2") == "ok"
    assert bench.status(parent) == "completed"


def test_a_parent_without_it_is_as_before(timed_bench: Bench) -> None:
    """Its row has the version of earlier releases."""
    assert timed_bench.row(parent_of_one(timed_bench))["v"] == "1"
    assert WAITS in timed_bench.invocations(next(iter(_parents(timed_bench))))


def _parents(bench: Bench) -> set[str]:
    return {job for job in bench.members("status", "running") if job != "child"}
