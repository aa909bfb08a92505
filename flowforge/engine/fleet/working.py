"""What the workers of one server run now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flowforge.engine.engine import Engine
from flowforge.engine.workers import Fleet
from flowforge.errors import RecordError
from flowforge.model.definition import Definition
from flowforge.store.fleet_reads.leases import Leases, RunningAttempt
from flowforge.store.reading import moment


@dataclass(frozen=True)
class WorkingAttempt:
    """An attempt that runs. ``worker``, ``pid``: None where its lease does not say it.

    ``place``: routine and slot; empty where the definition of the job cannot be read.
    """

    job_id: str
    place: str
    invocation: int
    number: int
    worker: str | None
    pid: int | None
    since: datetime
    #: Whether its worker has let the lease expire, so that another one gets the invocation.
    expired: bool


def working(engine: Engine, fleet: Fleet, most: int) -> list[WorkingAttempt]:
    """At most ``most`` attempts that run now, the oldest of these first."""
    now = engine.overview.now()
    leases = list(Leases(engine.store).some(most))
    definitions = engine.inspector.definitions(one.job_id for one in leases)
    found = [_attempt(engine, fleet, one, definitions.get(one.job_id), now) for one in leases]
    return sorted(found, key=lambda one: one.since)


def _attempt(
    engine: Engine, fleet: Fleet, found: RunningAttempt, definition: Definition | None, now: int
) -> WorkingAttempt:
    worker = fleet.by_mark(found.owner.mark)
    lease = worker.lease if worker is not None else None
    since = found.since(engine.settings.lease if lease is None else lease)
    return WorkingAttempt(
        found.job_id, _place(definition, found), found.invocation.number, found.number,
        worker.name if worker else None, found.owner.pid, moment(since), found.expiry < now,
    )  # fmt: skip


def _place(definition: Definition | None, found: RunningAttempt) -> str:
    try:
        return "" if definition is None else ".".join(definition.place_of(found.invocation))
    except RecordError:
        return ""
