"""Failures by their cause: counted by the scripts that record them, bounded, and gone in time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flowforge.codec.binary import pack_record
from flowforge.errors import FlowForgeError
from flowforge.model.jobs.error_group import ErrorSample, group_id
from flowforge.store.fleet_reads.error_groups import KEPT, CountedErrors, ErrorGroups
from flowforge.store.fleet_reads.finding import Finder, Query
from tests.contract.bench import DETAILS, Bench
from tests.contract.joins import COUNT

#: A definition as far as the scripts look for the ids of routines in it.
NAMED = {"json": json.dumps({"routines": [{"id": "fetch"}, {"id": "charge"}, {"id": "ship"}]})}


def groups(bench: Bench) -> list[CountedErrors]:
    return ErrorGroups(bench.store).read(0)


def only(bench: Bench) -> CountedErrors:
    (found,) = groups(bench)
    return found


def named_job(bench: Bench, joins: str = "", *, mode: str = "") -> str:
    """A job that has been claimed, of a definition with ids."""
    request = bench.submission(mode=mode)
    bench.send(request, {**bench.fields(joins), **NAMED})
    return request.job_id


def fail(bench: Bench, job: str, group: str, message: str = "it broke") -> str:
    """Claim the job's first invocation and fail it."""
    bench.start(job)
    sample = ErrorSample(group, "r0", "ValueError", "shop.charge", message)
    return bench.store.invocations.fail(
        job, "1.0.0", "t", 5, DETAILS, "it broke", pack_record({}), sample
    )


# --- what is counted -----------------------------------------------------------------------


def test_a_group_has_what_its_errors_share(bench: Bench) -> None:
    """And the message and the jobs of the latest."""
    before = bench.now()
    jobs = [bench.submit() for _ in range(3)]
    for number, job in enumerate(jobs):
        fail(bench, job, "g", f"order {number}")
    found = only(bench)
    assert found.identity == ("flow", "r0", "ValueError", "shop.charge")
    assert (found.count, found.message) == (3, "order 2")
    assert before <= found.first_at.timestamp() * 1000 <= found.last_at.timestamp() * 1000
    assert list(found.jobs) == jobs[::-1]


def test_a_failure_that_is_sent_twice_is_counted_once(bench: Bench) -> None:
    """The second one has no lease, whatever it was."""
    job, other = bench.submit(), bench.submit()
    assert fail(bench, job, "g") == "ok"
    assert bench.fail(job) == "stale"
    bench.start(other)
    assert [bench.commit(other, outcome="skipped") for _ in range(2)] == ["ok", "done"]
    assert sorted(group.count for group in groups(bench)) == [1, 1]


def test_what_fails_for_an_ended_job_is_not_counted(bench: Bench) -> None:
    """Nothing of such an attempt counts."""
    job = bench.submit()
    bench.start(job)
    bench.store.control.cancel(job, "")
    assert bench.fail(job) == "dropped"
    assert groups(bench) == []


def test_what_completes_counts_nothing(bench: Bench) -> None:
    """No key of groups is there without an error."""
    job = bench.submit()
    bench.start(job)
    assert bench.commit(job) == "ok"
    assert bench.link.call("EXISTS", bench.key("error_groups")) == 0


# --- the jobs that have failed for one cause -------------------------------------------------


def failed_for(bench: Bench, error: str, **more: Any) -> set[str]:
    return {one.job_id for one in Finder(bench.store).find(Query(error=error, **more), 10)}


def ids(bench: Bench) -> dict[str, str]:
    """The id of each group that is counted, by the type of its errors."""
    return {group.identity.type: group_id(*group.identity) for group in groups(bench)}


def test_jobs_are_found_by_the_group_that_failed_them(bench: Bench) -> None:
    """Exactly these, whatever their messages are; and not those that have gone on since."""
    jobs = [bench.submit() for _ in range(3)]
    for number, job in enumerate(jobs):
        fail(bench, job, "g", f"ValueError of order {number}")
    other = bench.submit()
    bench.start(other)
    bench.fail(other)
    (group,) = (one for one in groups(bench) if one.identity.type == "ValueError")
    error = group_id(*group.identity)
    assert failed_for(bench, error) == failed_for(bench, error, flow_id="flow") == set(jobs)
    assert failed_for(bench, error, status="completed") == failed_for(bench, "0" * 12) == set()
    assert Finder(bench.store).count(Query(error=error)) is None
    bench.store.control.retry(jobs[0])
    assert failed_for(bench, error) == set(jobs[1:])
    bench.start(jobs[0], token="again")
    assert bench.fail(jobs[0], token="again") == "ok"
    assert failed_for(bench, error) == set(jobs[1:])


def test_jobs_of_failures_that_scripts_find_are_found_too(bench: Bench) -> None:
    """A quarantine, a join that is not filled, a class that no worker knows."""
    lost = named_job(bench)
    bench.start(lost, lease=-1)
    bench.reclaim(1, 10)
    unknown = named_job(bench)
    bench.give_back(unknown, most=1)
    unfilled = named_job(bench, COUNT)
    bench.start(unfilled)
    bench.commit(unfilled, emitted=[(1, 0, "j3:")])
    found = {kind: failed_for(bench, error) for kind, error in ids(bench).items()}
    assert found == {"Quarantined": {lost}, "Unknown": {unknown}, "JoinNotFilled": {unfilled}}


def test_a_failure_that_a_former_release_recorded_has_no_group(bench: Bench) -> None:
    """What it left of an earlier one is not taken for that of the latest."""
    job, old = bench.submit(), bench.submit()
    fail(bench, job, "g")
    fail(bench, old, "g")
    (error,) = ids(bench).values()
    bench.link.call("HDEL", bench.key("job", old), "cause")
    bench.link.call("HSET", bench.key("job", job), "ended", bench.now() + 1)
    assert failed_for(bench, error) == set()


# --- failures that the scripts find themselves -----------------------------------------------


def test_a_quarantined_routine_is_named(bench: Bench) -> None:
    """By its id in the definition; it has no place in the user's code."""
    job = named_job(bench)
    bench.start(job, lease=-1)
    bench.reclaim(1, 10)
    assert bench.status(job) == "failed"
    assert only(bench).identity == ("flow", "fetch", "Quarantined", "")


def test_a_join_that_is_not_filled_is_named(bench: Bench) -> None:
    """The routine is the one whose slot joins."""
    job = named_job(bench, COUNT)
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "j3:")])
    assert bench.status(job) == "failed"
    assert only(bench).identity == ("flow", "charge", "JoinNotFilled", "")


def test_a_class_that_no_worker_knows_is_counted_when_it_fails_the_job(bench: Bench) -> None:
    """Given back before the claim or behind it: the same cause."""
    for end in (bench.give_back, bench.release):
        job = named_job(bench)
        if end == bench.release:
            bench.start(job)
        assert end(job, most=1) in ("failed", "ok")
        assert bench.status(job) == "failed"
    found = only(bench)
    assert (found.identity, found.count) == (("flow", "fetch", "Unknown", ""), 2)


@pytest.mark.parametrize("damaged", ["{", "null", '{"routines": 3}', " " * 200_000])
def test_a_definition_that_tells_no_id_gives_the_index(bench: Bench, damaged: str) -> None:
    """One that is damaged or very large; the failure is recorded all the same."""
    request = bench.submission()
    bench.send(request, {**bench.fields(), "json": damaged})
    bench.start(request.job_id, lease=-1)
    bench.reclaim(1, 10)
    assert only(bench).identity.routine_id == "#0"


# --- bounds --------------------------------------------------------------------------------


def test_ten_jobs_are_kept_of_a_group(bench: Bench) -> None:
    """The latest, each once, however often it failed."""
    jobs = [bench.submit() for _ in range(12)]
    for job in jobs:
        for _ in range(2):
            bench.start(job)
            bench.retry_later(job, delay=-1)
            bench.store.upkeep.release_due(10)
    found = only(bench)
    assert found.count == 24
    assert list(found.jobs) == jobs[:1:-1]


def test_a_thousand_groups_are_kept(bench: Bench) -> None:
    """The one whose latest error is the oldest makes room for a new one."""
    index, now = bench.key("error_groups"), bench.now()
    old = [(f"g{number}", now - 2000 + number) for number in range(1000)]
    bench.link.call("ZADD", index, *(part for name, at in old for part in (at, name)))
    for name in ("g0", "g1"):
        bench.link.call("HSET", bench.key("error_group", name), "count", 1)
    fail(bench, bench.submit(), "new")
    left = bench.members("error_groups")
    assert len(left) == 1000
    assert "new" in left
    assert "g0" not in left
    assert bench.link.call("EXISTS", bench.key("error_group", "g0")) == 0
    assert bench.link.call("EXISTS", bench.key("error_group", "g1")) == 1


def test_a_group_goes_some_days_after_its_latest_error(bench: Bench) -> None:
    """Its key expires, and the index forgets it with the next error, or expires itself."""
    fail(bench, bench.submit(), "g")
    keys = [bench.key("error_group", "g"), bench.key("error_groups")]
    for key in keys:
        assert KEPT - 60_000 < bench.link.call("PTTL", key) <= KEPT
    # The key has expired.
    bench.link.call("DEL", keys[0])
    bench.link.call("ZADD", keys[1], bench.now() - KEPT - 1, "g")
    assert groups(bench) == []
    fail(bench, bench.submit(), "other")
    assert list(bench.members("error_groups")) == ["other"]


# --- reading -------------------------------------------------------------------------------


def test_groups_of_earlier_errors_are_left_out(bench: Bench) -> None:
    """A bound is on the latest error of a group."""
    fail(bench, bench.submit(), "early")
    bench.link.call("ZADD", bench.key("error_groups"), bench.now() - 5000, "early")
    fail(bench, bench.submit(), "late")
    found = ErrorGroups(bench.store).read(bench.now() - 4000)
    assert [group.key for group in found] == ["late"]


@pytest.mark.parametrize(("field", "value"), [("count", "many"), ("jobs", "a"), ("flow", b"\xff")])
def test_a_damaged_group_spoils_no_other(bench: Bench, field: str, value: str | bytes) -> None:
    """The reader is told of it."""
    for name in ("good", "bad"):
        fail(bench, bench.submit(), name)
    bench.link.call("HSET", bench.key("error_group", "bad"), field, value)
    unreadable: list[FlowForgeError] = []
    assert [group.key for group in ErrorGroups(bench.store).read(0, unreadable)] == ["good"]
    (error,) = unreadable
    assert "group of errors bad cannot be read" in str(error)
