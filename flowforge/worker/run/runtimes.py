"""The runtimes of a worker: one for each server that it serves."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence

from flowforge.store.fleet_reads.placement import Placement
from flowforge.store.store import Store
from flowforge.tracing.switch import spans_of
from flowforge.worker.run.readers_writer_lock import ReadersWriterLock
from flowforge.worker.run.runtime import Runtime


class Runtimes:
    """Finds the runtime of an invocation. ``process_lock``: the process has one for all.

    Whether they make spans is chosen when a process first asks for one. Not before: what configures
    a tracer provider may run last in the start of a process. Not later either: a step without spans
    must not ask whether it is to have one.
    """

    #: The runtime for the server that a job lives on.
    of: Callable[[str], Runtime]

    def __init__(
        self, runtimes: Sequence[tuple[Store, Runtime]], process_lock: ReadersWriterLock
    ) -> None:
        self.process_lock = process_lock
        self._runtimes = runtimes
        self.choose_again()

    def choose_again(self) -> None:
        """Let a process that begins choose for itself: it inherits what its parent has chosen."""
        self.of = self._choose

    def _choose(self, job_id: str) -> Runtime:
        runtimes = self._runtimes
        if spans_of(runtimes[0][1].settings.traces) is not None:
            traced = importlib.import_module("flowforge.worker.run.traced_runtime").TracedRuntime
            runtimes = [(store, traced(runtime)) for store, runtime in runtimes]
        self.of = Placement(runtimes).of
        return self.of(job_id)
