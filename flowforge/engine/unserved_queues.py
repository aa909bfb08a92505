"""Which queues a job waits for in vain, so that a timeout can say so."""

from __future__ import annotations

from typing import Protocol

from celery import Celery

from flowforge.errors import FlowForgeError
from flowforge.store.inspector import Inspector
from flowforge.store.outage import Outage
from flowforge.store.store import Store
from flowforge.store.worker_reports import WorkerReports


class Asked(Protocol):
    """What is asked for a job: the engine of its server."""

    store: Store
    inspector: Inspector
    app: Celery

    def outage(self) -> Outage | None: ...


def overdue(engine: Asked, job_id: str) -> str:
    """What to say of a job that has not ended in time: how it stands, and who is missing."""
    return f"job {job_id} is still {engine.inspector.status(job_id)}{_unserved(engine, job_id)}"


def unreported(outage: Outage) -> str:
    """Why silence of the workers says nothing of them."""
    return f"workers cannot report while the server takes no writes: it {outage.state}"


def _unserved(engine: Asked, job_id: str) -> str:
    """That work of the job waits on queues which no worker serves; empty when none does."""
    try:
        queued = engine.inspector.counts(job_id)["queued"]
        waiting = _queues(engine, job_id) if queued else set()
        missing = sorted(waiting - WorkerReports(engine.store).served_queues()) if waiting else []
        outage = engine.outage() if missing else None
    except FlowForgeError:
        # The timeout itself is what has to be told.
        return ""
    if not missing:
        return ""
    if outage is not None:
        return f"; {unreported(outage)}; {outage.remedy}"
    names = ", ".join(repr(name) for name in missing)
    return (
        f"; no worker reports that it serves the queue {names}: start one, flowforge worker -Q "
        f"{','.join(missing)}"
    )


def _queues(engine: Asked, job_id: str) -> set[str]:
    """The queues of some of the outstanding invocations."""
    default = engine.app.conf.task_default_queue
    return {routine.queue or default for routine in engine.inspector.outstanding_routines(job_id)}
