"""What is counted of a job's invocations, for its progress."""

from __future__ import annotations

from typing import Any

import pytest

from flowforge import Flow, routine
from flowforge.errors import JobNotFoundError
from flowforge.execution.effects import AS_OUTPUTS
from flowforge.store.job_reads import work_counts
from flowforge.store.job_reads.work_counts import WorkCounts, WorkReader
from tests.contract.bench import ROUTINES, Bench, record
from tests.contract.joins import COUNT, start


@routine(events=["out"])
def step(self: Any) -> None:
    """Anything."""


def read(bench: Bench, job: str) -> WorkCounts:
    flow = Flow("flow")
    for index in range(ROUTINES):
        flow.add_routine(step, f"r{index}")
    return WorkReader(bench.store).read(job, flow.definition())


def test_invocations_are_counted_by_routine(bench: Bench) -> None:
    """Whether they are queued, run, are parked or on a timer; what has ended is not among them."""
    job = bench.submit(max_in_flight=2)
    bench.start(job)
    assert read(bench, job).by_routine == {0: 1}
    bench.commit(job, emitted=[(1, 0, "")] * 3 + [(2, 0, "")] * 2)
    bench.start(job, "2.1.0")
    bench.start(job, "3.1.0")
    bench.retry_later(job, "3.1.0", delay=60_000)
    work = read(bench, job)
    assert (work.by_routine, work.sampled, work.staged_by) == ({1: 3, 2: 2}, False, {})
    assert (work.created, work.uncommitted, work.collecting, work.staged) == (6, 5, 0, 0)
    assert sum(work.counts.values()) == 5
    assert (work.counts["running"], work.counts["timers"]) == (1, 1)
    assert work.states["r0"]["completed"] == 1


def test_what_is_staged_is_counted_by_who_has_emitted_it(bench: Bench) -> None:
    """Behind what there is room for; staged outputs become no invocations."""
    job = bench.submit(max_in_flight=1)
    bench.start(job)
    assert bench.stage(job, [(1, 0, "")] * 5) == "ok"
    outputs = [record(1, n=n) for n in range(3)]
    assert bench.store.invocations.stage_outputs(job, "1.0.0", "t", outputs, 0) == "ok"
    assert bench.commit(job, staged={1: 5, AS_OUTPUTS: 3}) == "ok"
    work = read(bench, job)
    assert (work.by_routine, work.staged, work.staged_by) == ({1: 1}, 4, {0: 4})
    assert (work.created, work.uncommitted) == (2, 1)


def test_a_sample_stands_for_many(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its counts are estimates, and said to be."""
    monkeypatch.setattr(work_counts, "SAMPLE", 10)
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "")] * 40)
    work = read(bench, job)
    assert (work.uncommitted, work.sampled, work.by_routine) == (40, True, {1: 40})


def test_what_a_join_collects_is_outstanding(bench: Bench) -> None:
    """As one invocation for each collection, which has its number already."""
    job = start(bench, COUNT)
    bench.commit(job, emitted=[(1, 0, "j3:a"), (1, 0, "j3:a"), (1, 0, "j3:b"), (2, 0, "")])
    work = read(bench, job)
    assert (work.by_routine, work.sampled, work.staged_by) == ({1: 2, 2: 1}, False, {})
    assert (work.created, work.uncommitted, work.collecting) == (4, 1, 2)


def test_of_a_job_that_has_ended(bench: Bench) -> None:
    """Nothing is left, and it has a time; of one that is gone there is nothing."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job)
    work = read(bench, job)
    assert (work.status, work.created, work.uncommitted) == ("completed", 1, 0)
    assert work.ended_at is not None
    assert work.ended_at >= work.created_at
    with pytest.raises(JobNotFoundError):
        read(bench, "gone")
