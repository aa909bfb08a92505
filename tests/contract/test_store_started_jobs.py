"""Jobs that handlers start: detached, later, and those whose failure the parent job survives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flowforge.model.times.start import Start
from flowforge.store.fleet_reads.finding import Finder, Query
from flowforge.store.job_reads.started_jobs import StartedJobs
from flowforge.store.transitions.answers import Answer
from tests.contract.bench import Bench
from tests.contract.child_jobs import WAITS, cancel, complete, fail, parent_of_one, queued
from tests.support.eventually import eventually
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


# --- the list of them --------------------------------------------------------------------------


def children(bench: Bench, parent: str, **query: Any) -> list[str]:
    """Those that are found, the newest first."""
    found = Finder(bench.store).find(Query(parent=parent, **query), 10)
    return [one.job_id for one in found]


def test_all_jobs_that_a_job_has_started_are_found(timed_bench: Bench, clock: VirtualClock) -> None:
    """Waited for or not, ended or not, and by their status; not those of other jobs."""
    bench = timed_bench
    parent = bench.submit()
    bench.start(parent)
    bench.commit(parent, emitted=[(0, 1, "")], jobs=[bench.child("waited"), bench.child("done")])
    clock.advance(seconds=1)
    complete(bench, "done")
    bench.start(parent, "2.0.1", "t2")
    bench.commit(parent, "2.0.1", "t2", jobs=[bench.child("detached", waiter=b"")])
    start_child(bench)
    assert children(bench, parent) == ["detached", "waited", "done"]
    assert children(bench, parent, status="pending") == ["detached", "waited"]
    assert children(bench, parent, status="completed") == ["done"]
    assert children(bench, "none") == []
    started = StartedJobs(bench.store)
    waits = started.waits(parent, ["detached", "waited", "done"])
    assert set(waits) == {"waited"}
    assert (started.count(parent), started.unlisted(parent)) == (3, [])
    assert Finder(bench.store).count(Query(parent=parent)) is None


def test_a_job_that_is_gone_is_not_found(bench: Bench) -> None:
    """It stays in the list of the one that has started it."""
    parent = bench.submit()
    bench.start(parent)
    jobs = [bench.child("kept", waiter=b""), bench.child("gone", waiter=b"")]
    bench.commit(parent, jobs=jobs)
    complete(bench, "gone")
    assert bench.store.control.delete("gone") is Answer.OK
    assert children(bench, parent) == ["kept"]
    assert StartedJobs(bench.store).count(parent) == 2


def test_the_list_has_an_end(bench: Bench) -> None:
    """The latest ones stay."""
    parent = bench.submit()
    old = {f"old-{number}": number for number in range(10_000)}
    key = bench.key("started_jobs", parent)
    pairs = [part for name, at in old.items() for part in (at, name)]
    bench.link.call("ZADD", key, *pairs)
    bench.start(parent)
    bench.commit(parent, jobs=[bench.child()])
    assert bench.link.call("ZCARD", key) == 10_000
    assert bench.link.call("ZSCORE", key, "old-0") is None
    assert bench.link.call("ZSCORE", key, "child") is not None


@pytest.mark.parametrize("end", [complete, fail, cancel])
def test_the_list_stays_as_long_as_the_job(bench: Bench, end: Callable[..., None]) -> None:
    """However it ends; a retry takes the time to live back."""
    parent = bench.submit()
    bench.start(parent)
    bench.commit(parent, emitted=[(0, 1, "")], jobs=[bench.child(waiter=b"")])
    key = bench.key("started_jobs", parent)
    assert bench.link.call("PTTL", key) == -1
    bench.start(parent, "2.0.1", "t2")
    if end is complete:
        bench.commit(parent, "2.0.1", "t2")
    elif end is fail:
        bench.fail(parent, "2.0.1", "t2")
    else:
        bench.store.control.cancel(parent, "")
    of_job, of_list = (bench.link.call("PTTL", one) for one in (bench.key("job", parent), key))
    assert 0 < of_list <= of_job
    if end is fail:
        assert bench.store.control.retry(parent) == "ok"
        assert bench.link.call("PTTL", key) == -1
        return
    assert bench.store.control.delete(parent) is Answer.OK
    assert bench.link.call("EXISTS", key) == 0


def test_a_list_that_a_former_release_left_goes_with_the_job(bench: Bench) -> None:
    """A worker that knows no such list has ended the job, and did not let it expire."""
    parent = bench.submit(retention_ms=1)
    bench.start(parent)
    bench.commit(parent, jobs=[bench.child(waiter=b"")])
    key = bench.key("started_jobs", parent)
    bench.link.call("ZADD", key, 1, "child")
    eventually(lambda: not bench.hash("job", parent))
    bench.store.upkeep.prune(100)
    assert bench.link.call("EXISTS", key) == 0


def test_children_of_a_former_release_are_those_that_are_waited_for(bench: Bench) -> None:
    """There is no list; a job that it has begun gets one, which lacks the earlier ones."""
    parent = parent_of_one(bench)
    bench.link.call("DEL", bench.key("started_jobs", parent))
    bench.link.call("HDEL", bench.key("job", parent), "starts")
    started = StartedJobs(bench.store)
    assert (started.count(parent), started.unlisted(parent)) == (0, ["child"])
    complete(bench, "child")
    bench.start(parent, WAITS, "w")
    bench.commit(parent, WAITS, "w")
    assert bench.status(parent) == "completed"
    assert started.unlisted(parent) == []
