"""Where the invocations of a job are, and what went over its connections."""

from __future__ import annotations

from typing import Any

import pytest

from flowforge import Flow, routine
from flowforge.codec.binary import pack_record
from flowforge.engine.jobs.job_work import work_of
from flowforge.errors import JobNotFoundError
from flowforge.execution.effects import Effects
from flowforge.model.definition import Definition
from flowforge.model.jobs.connection_count import JobWork
from flowforge.model.jobs.status import AttemptOutcome
from flowforge.store.job_reads import history_counts, work_places
from flowforge.store.job_reads.work_places import PlaceReader
from tests.contract import bench as bench_module
from tests.contract.bench import Bench


@routine(events=["out", "other"])
def step(self: Any) -> None:
    """Anything."""


def flow(*connections: tuple[str, str, str]) -> Definition:
    """Routines r0 to r3 with these connections."""
    made = Flow("flow")
    for index in range(4):
        made.add_routine(step, f"r{index}")
    for source, event, target in connections:
        made.connect(source, event, target, "input")
    return made.definition()


@pytest.fixture(autouse=True)
def four_routines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_module, "ROUTINES", 4)


FAN_OUT = flow(("r0", "out", "r1"), ("r1", "out", "r2"), ("r0", "other", "r3"))

#: Where what an event emits goes, in FAN_OUT.
TARGETS = {(0, "out"): 1, (1, "out"): 2, (0, "other"): 3}


def submit(bench: Bench, definition: Definition = FAN_OUT, **changes: Any) -> str:
    return bench.submit(definition=definition.hash, entry="r0.input", **changes)


def commit(
    bench: Bench, job: str, invocation: str = "1.0.0", outcome: str = "completed", **emitted: int
) -> None:
    """Run an invocation whose handler emits each event so often."""
    bench.start(job, invocation)
    source = int(invocation.split(".")[1])
    targets = [(TARGETS[source, event], 0, "") for event, n in emitted.items() for _ in range(n)]
    answer, _ = bench.store.invocations.commit(
        job, invocation, "t", AttemptOutcome(outcome), 5,
        pack_record("w", 1, 5, emitted, None, None), Effects(bench._emitted(invocation, targets)),
        None, (),
    )  # fmt: skip
    assert answer == "ok"


def read(bench: Bench, job: str, definition: Definition = FAN_OUT) -> JobWork:
    return work_of(definition, PlaceReader(bench.store).read(job, definition))


def told(work: JobWork) -> list[tuple[Any, ...]]:
    """Of each connection how many were delivered, are done, run, wait and have failed."""
    return [
        (one.delivered, one.done, one.places and one.places.running,
         one.places and one.places.waiting, one.failed)
        for one in work.connections
    ]  # fmt: skip


def test_each_connection_has_what_went_over_it(bench: Bench) -> None:
    """And where that is: queued, running, on a timer, at its end."""
    job = submit(bench)
    assert told(read(bench, job)) == [(0, 0, 0, {}, 0)] * 3
    assert read(bench, job).routines["r0"].waiting == {"queued": 1}
    commit(bench, job, out=4, other=1)
    commit(bench, job, "2.1.0", out=2)
    bench.start(job, "3.1.0")
    bench.start(job, "4.1.0")
    bench.retry_later(job, "4.1.0", delay=60_000)
    work = read(bench, job)
    assert told(work) == [
        (4, 1, 1, {"queued": 1, "timer": 1}, 0), (2, 0, 0, {"queued": 2}, 0),
        (1, 0, 0, {"queued": 1}, 0),
    ]  # fmt: skip
    assert not any(one.is_estimate for one in work.connections)
    assert (work.routines["r1"].running, work.routines["r1"].waiting) == (
        1, {"queued": 1, "timer": 1},
    )  # fmt: skip
    with pytest.raises(JobNotFoundError):
        read(bench, "none")


def test_what_is_parked_has_its_cause(bench: Bench) -> None:
    """Without room, while the job is paused, and once it has failed; the one that failed apart."""
    job = submit(bench, max_in_flight=2)
    commit(bench, job, out=5)
    bench.start(job, "2.1.0")
    assert told(read(bench, job))[0] == (5, 0, 1, {"queued": 1, "max_in_flight": 3}, 0)
    bench.pause(job)
    assert told(read(bench, job))[0] == (5, 0, 1, {"queued": 1, "paused": 3}, 0)
    bench.store.control.resume(job)
    assert bench.fail(job, "2.1.0") == "ok"
    assert told(read(bench, job))[0] == (5, 0, 0, {"failed": 4}, 1)


def test_a_retry_leaves_no_failure(bench: Bench) -> None:
    job = submit(bench)
    commit(bench, job, out=1)
    bench.start(job, "2.1.0")
    bench.fail(job, "2.1.0")
    bench.store.control.retry(job, "anna")
    assert told(read(bench, job))[0] == (1, 0, 0, {"queued": 1}, 0)
    commit(bench, job, "2.1.0")
    assert told(read(bench, job))[0] == (1, 1, 0, {}, 0)


def test_a_slot_that_several_connections_lead_to(bench: Bench) -> None:
    """What each has carried is known; where it is, the routine says."""
    definition = flow(("r0", "out", "r1"), ("r0", "other", "r3"), ("r1", "out", "r3"))
    job = submit(bench, definition)
    commit(bench, job, out=2, other=1)
    commit(bench, job, "2.1.0")
    work = read(bench, job, definition)
    assert told(work)[1:] == [(1, None, None, None, None), (0, None, None, None, None)]
    assert work.routines["r3"].waiting == {"queued": 1}


def test_what_was_skipped_by_hand_has_emitted(bench: Bench) -> None:
    job = submit(bench)
    commit(bench, job, out=1)
    bench.start(job, "2.1.0")
    bench.retry_later(job, "2.1.0", delay=60_000)
    details = pack_record("anna", {"out": 2})
    emitted = bench._emitted("2.1.0", [(2, 0, "")] * 2)
    assert bench.store.mending.skip(job, "2.1.0", details, emitted, []) == "ok"
    assert [one[:2] for one in told(read(bench, job))] == [(1, 1), (2, 0), (0, 0)]


def test_a_history_is_read_further_with_each_look(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until all of it has been read the numbers are estimates; then they are exact."""
    monkeypatch.setattr(history_counts, "PAGE", 2)
    job = submit(bench)
    commit(bench, job, out=9)
    for number in range(2, 11):
        commit(bench, job, f"{number}.1.0", out=1)
    reader = PlaceReader(bench.store)
    found = [work_of(FAN_OUT, reader.read(job, FAN_OUT)) for _ in range(2)]
    assert [told(work)[0][:2] for work in found] == [(9, 9), (9, 9)]
    assert [work.connections[0].is_estimate for work in found] == [True, False]
    bench.link.call("DEL", bench.key("history", job))
    assert told(work_of(FAN_OUT, reader.read(job, FAN_OUT)))[1][:2] == (9, 0)


def test_without_a_history_the_numbers_follow_from_the_invocations(bench: Bench) -> None:
    """Of what leads to a routine alone; nothing is said of the others."""
    definition = flow(("r0", "out", "r1"), ("r0", "other", "r3"), ("r1", "out", "r3"))
    job = submit(bench, definition)
    commit(bench, job, out=4)
    commit(bench, job, "2.1.0")
    bench.link.call("DEL", bench.key("history", job))
    work = read(bench, job, definition)
    assert told(work)[0][:2] == (4, 1)
    assert [one.delivered for one in work.connections[1:]] == [None, None]
    assert all(one.is_estimate for one in work.connections)


def test_a_part_of_the_attempts_stands_for_all(bench: Bench) -> None:
    """Where the history has no longer all of them."""
    definition = flow(("r0", "out", "r1"), ("r0", "other", "r3"), ("r1", "out", "r3"))
    job = submit(bench, definition)
    commit(bench, job, out=4)
    for number in range(2, 6):
        bench.start(job, f"{number}.1.0")
        bench.store.invocations.commit(
            job, f"{number}.1.0", "t", AttemptOutcome.COMPLETED, 5,
            pack_record("w", 1, 5, {"out": 3}, None, None),
            Effects(bench._emitted(f"{number}.1.0", [(3, 0, "")] * 3)), None, (),
        )  # fmt: skip
    entries = bench.link.call("XRANGE", bench.key("history", job), "-", "+")
    bench.link.call("XDEL", bench.key("history", job), *(entry[0] for entry in entries[:3]))
    (first, _, last) = read(bench, job, definition).connections
    assert (first.delivered, first.is_estimate) == (4, True)
    assert (last.delivered, last.is_estimate) == (12, True)


def test_many_invocations_are_a_sample(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_places, "SAMPLE", 10)
    job = submit(bench, max_in_flight=1000)
    commit(bench, job, out=30)
    (first, *_) = read(bench, job).connections
    assert (first.delivered, first.is_estimate) == (30, False)
    assert first.places is not None
    assert (first.places.waiting, first.places.is_estimate) == ({"queued": 30}, True)


def test_a_damaged_entry_is_not_counted(bench: Bench) -> None:
    """The numbers are estimates then."""
    job = submit(bench)
    commit(bench, job, out=2)
    key = bench.key("history", job)
    bench.link.call("DEL", key)
    bench.link.call("XADD", key, "*", "k", "completed", "t", "1.x", "p", "")
    bench.link.call("XADD", key, "*", "k", "completed", "t", "1.0.0", "p", b"\xc1")
    (first, *_) = read(bench, job).connections
    assert (first.delivered, first.is_estimate) == (2, True)
