"""The runtimes of a worker: one for each server that it serves."""

from __future__ import annotations

from collections.abc import Sequence

from flowforge.store.placement import Placement
from flowforge.store.store import Store
from flowforge.worker.run.readers_writer_lock import ReadersWriterLock
from flowforge.worker.run.runtime import Runtime


class Runtimes:
    """Finds the runtime of an invocation. ``process_lock``: the process has one for all."""

    def __init__(
        self, runtimes: Sequence[tuple[Store, Runtime]], process_lock: ReadersWriterLock
    ) -> None:
        self.process_lock = process_lock
        self._placement = Placement(runtimes)

    def of(self, job_id: str) -> Runtime:
        """The runtime for the server that the job lives on."""
        return self._placement.of(job_id)
