"""The metrics of one worker. What its processes did is read from the servers, where they add it up:
a process of the pool has no port of its own, and its numbers outlive it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from flowforge.errors import FlowForgeError
from flowforge.metrics import catalogue
from flowforge.metrics.exposition import Page
from flowforge.store.fleet_reads.totals import OUTCOMES, RUN, Totals
from flowforge.store.store import Store


class WorkerFacts(NamedTuple):
    """What a worker says of itself now."""

    version: str
    pool: str
    concurrency: int
    active_tasks: int
    fetched_tasks: int


class WorkersServer(NamedTuple):
    """A server of a worker. ``leads``: whether the worker does its upkeep; ``upkeep_age``: seconds
    since it last looked whether there is any.
    """

    name: str
    store: Store
    leads: Callable[[], bool]
    upkeep_age: Callable[[], float]


class WorkerMetrics:
    """Reads one worker. ``name``: the value of the label ``worker``."""

    def __init__(
        self, name: str, facts: Callable[[], WorkerFacts], servers: Sequence[WorkersServer]
    ) -> None:
        self._name = name
        self._facts = facts
        self._servers = servers

    def text(self) -> str:
        """The page, as it is now."""
        page, facts = Page().of(worker=self._name), self._facts()
        page.add(catalogue.WORKER_INFO, 1, facts.version, facts.pool)
        page.add(catalogue.WORKER_CONCURRENCY, facts.concurrency)
        page.add(catalogue.WORKER_ACTIVE, facts.active_tasks)
        page.add(catalogue.WORKER_FETCHED, facts.fetched_tasks)
        for server in self._servers:
            page.add(catalogue.WORKER_LEADER, int(server.leads()), server.name)
            page.add(catalogue.WORKER_UPKEEP, server.upkeep_age(), server.name)
            try:
                self._add_attempts(page, server)
            except FlowForgeError:
                # The worker's log has the reason.
                page.add(catalogue.WORKER_SERVER_UP, 0, server.name)
            else:
                page.add(catalogue.WORKER_SERVER_UP, 1, server.name)
        return page.text()

    def _add_attempts(self, page: Page, server: WorkersServer) -> None:
        found: dict[tuple[str, str], Counter[int]] = {}
        for name, counters in Totals(server.store).of_worker(self._name).items():
            place = (name.flow_id or catalogue.OTHER, name.routine_id or catalogue.OTHER)
            found.setdefault(place, Counter()).update(counters)
        for place, counters in found.items():
            seconds = counters.pop(RUN, 0) / 1e6
            page.add(catalogue.WORKER_HANDLER_SECONDS, seconds, server.name, *place)
            for counter, count in sorted(counters.items()):
                page.add(catalogue.WORKER_ATTEMPTS, count, server.name, *place, OUTCOMES[counter])
