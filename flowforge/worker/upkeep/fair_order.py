"""Fair keys: how many of their messages may be in the broker, and that there are as many."""

from __future__ import annotations

from collections.abc import Callable

from flowforge.store.fleet_reads.worker_reports import WorkerReports
from flowforge.store.store import Store

#: Messages of a list that may always be in the broker.
_LEAST = 1

#: Calls in a row for one list, about 1 ms of the server's time each.
_CALLS = 100


class FairOrder:
    """Keeps the order of each broker list with fair keys going.

    Half as many messages are in the broker as the workers of the queue run handlers at once: more
    would keep a key that comes now waiting. A claim hands over the next one, so no worker waits.
    ``queue_of``: the queue of a broker list.
    """

    def __init__(self, store: Store, queue_of: Callable[[str], str]) -> None:
        self._store = store
        self._reports = WorkerReports(store)
        self._queue_of = queue_of

    def run_once(self) -> int:
        """How many lists have fair keys."""
        names = self._store.fair_order.names()
        if not names:
            return 0
        capacity = self._capacity()
        for name in names:
            runs = capacity.get(self._queue_of(name), 0)
            most = max(_LEAST, (runs + 1) // 2) if runs else None
            for _ in range(_CALLS):
                if not self._store.fair_order.let_in(name, most):
                    break
        return len(names)

    def _capacity(self) -> dict[str, int]:
        """Queue -> how many handlers its live workers run at once."""
        found: dict[str, int] = {}
        for worker in self._reports.read()[0]:
            for queue in worker.queues if worker.live else ():
                found[queue] = found.get(queue, 0) + worker.concurrency
        return found
