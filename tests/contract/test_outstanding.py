"""Where the outstanding work of a job is."""

from __future__ import annotations

from typing import Any, cast

import pytest

from flowforge import Flow, Routine
from flowforge.errors import CorruptRecordError
from flowforge.model.definition import Definition
from flowforge.model.invocation_id import InvocationName
from flowforge.store.fleet_reads.leases import Leases
from flowforge.store.fleet_reads.totals import RUN, RUN_BUCKETS
from flowforge.store.fleet_reads.usual_times import UsualTimes
from flowforge.store.job_reads import outstanding
from flowforge.store.job_reads.outstanding import JobList, Outstanding
from tests.contract.bench import DEFINITION, Bench


class Step(Routine):
    """A routine of a flow."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.step)

    def step(self) -> None:
        """Never called."""


class Plan:
    """What is asked of a definition."""

    hash = DEFINITION

    def place_of(self, invocation: InvocationName) -> tuple[str, str]:
        return f"r{invocation.routine}", f"s{invocation.slot}"

    def secret(self, routine: int, slot: int) -> frozenset[str]:
        return frozenset({"s"})


def look(bench: Bench, job: str) -> Outstanding:
    return Outstanding(bench.store, job, cast(Definition, Plan()))


def spread(bench: Bench, count: int, **changes: Any) -> str:
    """A job with so many outstanding invocations of routine 1."""
    job = bench.submit(**changes)
    bench.link.call("LPOP", bench.list)
    bench.start(job)
    assert bench.commit(job, emitted=[(1, 0, "")] * count) == "ok"
    return job


@pytest.mark.parametrize("before", [0, 3, 1500])
def test_the_place_of_a_message(bench: Bench, monkeypatch: pytest.MonkeyPatch, before: int) -> None:
    """Exact for a job with few invocations, and for one with many near the head of the list."""
    monkeypatch.setattr(outstanding, "_SAMPLE", 2)
    members = [part for n in range(before) for part in (n - before, f"other{n}/1.0.0")]
    if members:
        bench.link.call("ZADD", bench.key("unclaimed", bench.list), *members)
    few, many = bench.submit(), spread(bench, 200)
    assert look(bench, few).lists({"q": 0}) == {"q": JobList(bench.list, 1, 33, 33 + before)}
    (queued,) = look(bench, few).queued_on(bench.list)
    assert (queued.invocation.number, queued.ahead) == (1, before)
    found = look(bench, many).queued_on(bench.list)
    if before < 1000:
        assert found[0].ahead >= before + 1
    else:
        assert len(found) <= 2  # what the sample has met by chance


def test_the_lists_of_a_job_on_several_queues(bench: Bench) -> None:
    """Each with the messages of the job."""
    request = bench.submission()
    assert bench.send(request, {**bench.fields(), "queues": 2}) == request.job_id
    job = request.job_id
    bench.link.call("LPOP", bench.list)
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, ""), (2, 0, ""), (2, 1, "")])
    assert look(bench, job).lists({"q": 0, "q2": 2}) == {
        "q": JobList(bench.list, 1, 1, 1),
        "q2": JobList(bench.other_list, 2, 2, 2),
    }


def test_timers_are_found_by_the_history(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Among many invocations too; without it, among the timers that are due next."""
    monkeypatch.setattr(outstanding, "_SAMPLE", 1)
    job = spread(bench, 200)
    bench.start(job, "5.1.0")
    bench.retry_later(job, "5.1.0", delay=60_000)
    (timer,) = look(bench, job).on_timers()
    assert timer.invocation.number == 5
    assert timer.entry is not None
    assert (timer.entry.kind, timer.entry.routine_id) == ("retried", "r1")
    assert 0 < timer.due - bench.now() <= 60_000
    bench.link.call("DEL", bench.key("history", job))
    (timer,) = look(bench, job).on_timers()
    assert (timer.invocation.number, timer.entry) == (5, None)


def test_params_without_secrets(bench: Bench) -> None:
    """None for large ones, and for what has none of its own."""
    job = bench.submit()
    invocation = InvocationName(1, 0, 0, 0)
    assert look(bench, job).params(invocation) == {}
    key = bench.key("invocations", job)
    record = bench.link.call("HGET", key, "1.0.0")
    bench.link.call("HSET", key, "1.0.0", record[:2] + b"\x00\x82\xa1s\x01\xa1n\x02")
    assert look(bench, job).params(invocation) == {"s": "***", "n": 2}
    for raw in (b"J3 key", b"x" * 5000):
        bench.link.call("HSET", key, "1.0.0", raw)
        assert look(bench, job).params(invocation) is None
    assert look(bench, job).params(InvocationName(9, 0, 0, 0)) is None


def test_the_usual_time_of_a_routine(bench: Bench) -> None:
    """Of the job's own attempts, else of all that the fleet has made of it."""
    flow = Flow("shop")
    flow.add_routine(Step(), "charge")
    definition = flow.definition()
    job = bench.submit(definition=definition.hash)
    assert UsualTimes(bench.store).seconds(job, 0) is None, "the definition is unreadable"
    key = bench.key("definition", definition.hash)
    bench.link.call("HSET", key, "json", definition.to_json())
    assert UsualTimes(bench.store).seconds(job, 0) is None, "there was no attempt"
    changes = {0: 2, RUN: 3_000_000, RUN_BUCKETS + 11: 2}
    bench.store.tallies.add("p1", 1, "", {("slot", "shop\ncharge\ninput"): changes})
    assert UsualTimes(bench.store).seconds(job, 0) == 1.5
    assert UsualTimes(bench.store).seconds(job, 7) is None
    bench.link.call("HSET", bench.key("routines", job), "0.micros", 300, "0.completed", 2)
    assert UsualTimes(bench.store).seconds(job, 0) == 150e-6


def test_damaged_numbers_of_a_job_are_named_as_its_damage(bench: Bench) -> None:
    """Whoever asks learns which record it is; no text of Python is the answer."""
    job = bench.submit()
    bench.link.call("HSET", bench.key("outstanding", job), "1", "true")
    bench.link.call("ZADD", bench.key("timers"), "+inf", f"{job}/1.0.0")
    with pytest.raises(CorruptRecordError, match=f"invocations of job {job} cannot be read"):
        look(bench, job).outstanding_of([1])
    with pytest.raises(CorruptRecordError, match=f"timers of job {job} cannot be read"):
        look(bench, job).on_timers()
    bench.link.call("HSET", bench.key("routines", job), "0.completed", "true")
    assert UsualTimes(bench.store).seconds(job, 0) is None


def test_damaged_numbers_of_a_lease_are_named(bench: Bench) -> None:
    """A lease without an end is passed over, as one that names no attempt."""
    job = bench.submit()
    bench.start(job)
    bench.link.call("HSET", bench.key("claims", job), "1.0.0", "true")
    with pytest.raises(CorruptRecordError, match=f"claims of job {job} cannot be read"):
        Leases(bench.store).of_job(job, 5)
    for member in bench.link.call("ZRANGE", bench.key("leases"), 0, -1):
        bench.link.call("ZADD", bench.key("leases"), "+inf", member)
    assert Leases(bench.store).of_job(job, 5) == []
