"""The workers of one server, as their reports show them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from flowforge.store.fleet_reads.worker_reports import WorkerReport, WorkerReports
from flowforge.store.lease_tokens import mark_of
from flowforge.store.store import Store


class Fleet:
    """One look at the reports. ``complete``: whether all of them can be read here."""

    def __init__(self, store: Store) -> None:
        self.reports, self.unreadable = WorkerReports(store).read()
        self.live = [report for report in self.reports if report.live]
        self.complete = not self.unreadable
        self._by_mark = {mark_of(report.name): report for report in self.reports}

    def by_mark(self, mark: str | None) -> WorkerReport | None:
        """The worker, silent or not, whose lease tokens have this mark."""
        return None if mark is None else self._by_mark.get(mark)

    def serving(self, queue: str) -> list[WorkerReport]:
        """The live workers that consume a queue."""
        return [worker for worker in self.live if queue in worker.queues]


def all_import(workers: Sequence[WorkerReport]) -> Callable[[str], bool]:
    """Whether all these workers know a routine of a module, and so have imported it."""
    modules: list[Collection[str]] = [
        {name.rpartition(".")[0] for name in worker.routines} for worker in workers
    ]
    return lambda module: all(module in known for known in modules)
