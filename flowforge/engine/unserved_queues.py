"""Which queues a job waits for in vain, so that a timeout can say so."""

from __future__ import annotations

from flowforge.engine.job_server import JobServer
from flowforge.errors import FlowForgeError
from flowforge.store.outage import Outage
from flowforge.store.worker_reports import WorkerReports


def overdue(server: JobServer, job_id: str) -> str:
    """What to say of a job that has not ended in time: how it stands, and who is missing."""
    return f"job {job_id} is still {server.inspector.status(job_id)}{_unserved(server, job_id)}"


def unreported(outage: Outage) -> str:
    """Why silence of the workers says nothing of them."""
    return f"workers cannot report while the server takes no writes: it {outage.state}"


def _unserved(server: JobServer, job_id: str) -> str:
    """That work of the job waits on queues which no worker serves; empty when none does."""
    try:
        queued = server.inspector.counts(job_id)["queued"]
        waiting = _queues(server, job_id) if queued else set()
        missing = sorted(waiting - WorkerReports(server.store).served_queues()) if waiting else []
        outage = server.outage() if missing else None
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


def _queues(server: JobServer, job_id: str) -> set[str]:
    """The queues of some of the outstanding invocations."""
    default = server.app.conf.task_default_queue
    return {routine.queue or default for routine in server.inspector.outstanding_routines(job_id)}
