"""What one server has: its workers, its queues, and what runs since when."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from flowforge.engine.engine import Engine
from flowforge.engine.explain.job_findings import unreported
from flowforge.engine.fleet.queues import QueueReport, queues
from flowforge.engine.fleet.working import WorkingAttempt, working
from flowforge.engine.workers import Fleet
from flowforge.store.fleet_reads.worker_reports import FORGOTTEN, WorkerReport

#: Attempts that are told of each server.
_RUNNING = 100


@dataclass(frozen=True)
class ServerFleet:
    """What one server has. ``name``: empty where there is one server.

    ``unreported``: why silence of the workers says nothing; empty when it says that they are gone.
    ``busy``: by worker, how many of the ``running`` attempts are its own; ``total``: of all leases.
    """

    name: str
    workers: list[WorkerReport]
    unreadable: list[Exception]
    unreported: str
    queues: list[QueueReport]
    complete: bool
    running: list[WorkingAttempt]
    busy: Counter[str | None]
    total: int
    leading: bool
    command: str


def server_fleet(engine: Engine, *, named: bool) -> ServerFleet:
    """One look at the server of an engine. ``named``: whether it has a name: one of several."""
    fleet = Fleet(engine.store)
    remembered = [one for one in fleet.reports if one.age <= FORGOTTEN]
    outage = None
    if not all(one.live for one in remembered) or not remembered:
        outage = engine.outage()
    running = working(engine, fleet, _RUNNING)
    return ServerFleet(
        engine.store.server_name if named else "",
        remembered,
        list(fleet.unreadable),
        unreported(outage) if outage else "",
        queues(engine, fleet),
        fleet.complete and outage is None,
        running,
        Counter(one.worker for one in running),
        engine.overview.leases(0).total,
        engine.overview.has_leader(),
        engine.worker_command(engine.app.conf.task_default_queue),
    )
