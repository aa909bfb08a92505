"""What an undo costs the server: a step that can be undone against one that cannot, and a log of
100,000 entries.

``python -m benchmarks.undo``, on a server of its own: the server's own processor time for each call
of a script. A step is a commit that claims the next one; steps with and without an undo take turns
on the same server. Takes about half a minute.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

from benchmarks.script_meter import ScriptMeter
from flowforge import Flow, JobState, Routine, configure, shutdown
from flowforge.codec.binary import invocation_record, pack_record, packb
from flowforge.engine.current import current_engine
from flowforge.engine.engine import Engine
from flowforge.execution.effects import Effects
from flowforge.local.server import LocalServer
from flowforge.model.jobs.error_group import ErrorSample
from flowforge.model.jobs.status import AttemptOutcome
from flowforge.model.slot import UNDO_SLOT_INDEX
from flowforge.store.transitions.claims import Claim, Granted, NextClaim

#: Steps of one kind in a row, and how often each kind has its turn.
STEPS, TURNS = 5_000, 3

#: Compensations that are run of a large log.
COMPENSATIONS = 500

_LEASE = 600_000
_DETAILS = pack_record("w", 1, 5, {}, None, None)
_RECORD = invocation_record(1, packb({"order": 4711}))


class Charge(Routine):
    """It leads to itself, and is never run."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.charge, undo=self.refund)
        self.define_event("output")

    def charge(self, order: int) -> None: ...

    def refund(self, order: int) -> None: ...


class Chain:
    """A job of one invocation after the other."""

    def __init__(self, engine: Engine, queue: str, undo: bool) -> None:
        routine = Charge()
        # Its list has no messages of other jobs.
        routine.queue = queue
        flow = Flow("bench-undo")
        flow.add_routine(routine, "charge")
        flow.connect("charge", "output", "charge", "input")
        self._engine, self._queue = engine, queue
        self.job = flow.execute("charge", {"order": 4711})
        self._undo = (UNDO_SLOT_INDEX, _RECORD) if undo else None
        self._steps = self._run()

    def step(self, number: int = 1) -> None:
        """So many commits, each of which claims the next invocation."""
        for _ in range(number):
            next(self._steps)

    def _run(self) -> Iterator[None]:
        invocation, token, count = "1.0.0", "t-0", 0
        name = self._queue
        self._engine.link.call("RPOP", name)
        invocations = self._engine.store.invocations
        assert isinstance(invocations.claim(self.job.job_id, invocation, token, _LEASE), Claim)
        while True:
            count += 1
            effects = Effects([(0, 0, "", _RECORD)], undo=self._undo)
            then = NextClaim(f"t-{count}", _LEASE, [name], time.perf_counter())
            _, granted = invocations.commit(
                self.job.job_id, invocation, token, AttemptOutcome.COMPLETED, 5, _DETAILS, effects,
                then, (),
            )  # fmt: skip
            assert isinstance(granted, Granted)
            invocation, token = granted.invocation, f"t-{count}"
            yield


def _steps(engine: Engine, meter: ScriptMeter) -> None:
    plain, undoable = Chain(engine, "plain", undo=False), Chain(engine, "undoable", undo=True)
    for _ in range(TURNS):
        meter.measured("steps without an undo", lambda: plain.step(STEPS))
        meter.measured("steps with an undo", lambda: undoable.step(STEPS))


def _large(engine: Engine, meter: ScriptMeter, entries: int) -> None:
    """A log of so many entries, from the cancel of its job to the deletion."""

    count = 0

    def filled() -> JobState:
        nonlocal count
        count += 1
        chain = Chain(engine, f"large-{entries}-{count}", undo=True)
        chain.step()
        key = engine.store.keys.of("undo_log", chain.job.job_id)
        entry = f"0.{UNDO_SLOT_INDEX} ".encode() + _RECORD
        for _ in range(entries // 1000):
            engine.link.call("RPUSH", key, *[entry] * 1000)
        return chain.job

    plain, failing = filled(), filled()
    meter.measured(f"{entries:,} kept, plain cancel", plain.cancel)
    (name,) = engine.link.call("HKEYS", engine.store.keys.of("invocations", failing.job_id))
    invocations, sample = engine.store.invocations, ErrorSample("g", "charge", "E", "p", "it broke")

    def fail() -> None:
        invocations.fail(
            failing.job_id, name.decode(), "t-1", 5, _DETAILS, "it broke", pack_record({}), sample
        )

    meter.measured(f"{entries:,} kept, the job fails", fail)
    undo = failing.undo
    assert undo is not None
    undoing = JobState(str(undo.job_id))

    def compensate() -> None:
        for number in range(1, COMPENSATIONS + 1):
            invocation = f"{number}.0.{UNDO_SLOT_INDEX}"
            claim = invocations.claim(undoing.job_id, invocation, f"c-{number}", _LEASE)
            assert isinstance(claim, Claim), claim
            invocations.commit(
                undoing.job_id, invocation, f"c-{number}", AttemptOutcome.COMPLETED, 5, _DETAILS,
                Effects(), None, (),
            )  # fmt: skip

    meter.measured(f"{entries:,} kept, compensations", compensate)
    meter.measured(f"{entries:,} kept, undo cancelled", undoing.cancel)
    meter.measured(f"{entries:,} kept, job deleted", failing.delete)


def main() -> None:
    """Print a line for each script."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.undo")
    parser.add_argument("--entries", type=int, default=100_000)
    entries = parser.parse_args().entries
    with LocalServer.start() as server:
        configure(redis_url=server.url)
        try:
            (engine,) = current_engine().each
            meter = ScriptMeter(server.pid)
            _steps(engine, meter)
            for kept in (1_000, entries):
                _large(engine, meter, kept)
        finally:
            shutdown()


if __name__ == "__main__":
    main()
