"""One look at the outstanding work of a job, which all findings on it share."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flowforge.engine.job_server import JobServer
from flowforge.engine.workers import Fleet
from flowforge.model.invocation_id import InvocationName
from flowforge.model.jobs.job_finding import FindingKind, JobFinding
from flowforge.store.job_reads.job_rows import JobDetails, JobSummary
from flowforge.store.job_reads.outstanding import Outstanding

#: Names in one sentence.
_NAMED = 3


class WorkLook:
    """A job with its definition, and the workers.

    ``silenced``: workers cannot report now, so that their silence says nothing.
    """

    def __init__(
        self, server: JobServer, job: JobSummary, details: JobDetails, *, silenced: bool
    ) -> None:
        self.server = server
        self.job = job
        self.details = details
        self.fleet = Fleet(server.store)
        self.judges_fleet = self.fleet.complete and not silenced
        self.definition = server.inspector.definition(job.job_id)
        self.outstanding = Outstanding(server.store, job.job_id, self.definition)

    def place(self, invocation: InvocationName) -> str:
        """What an invocation is called: its routine, slot and number."""
        routine_id, slot = self.definition.place_of(invocation)
        return f"{routine_id}.{slot} (invocation {invocation.number})"

    def finding(
        self, kind: FindingKind, what: str, invocation: InvocationName | None, count: int,
        since: datetime | None = None, until: datetime | None = None, command: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> JobFinding:  # fmt: skip
        """A finding that is about this invocation; None: about none in particular."""
        routine_id, slot = (None, None)
        if invocation is not None:
            routine_id, slot = self.definition.place_of(invocation)
        number = None if invocation is None else invocation.number
        return JobFinding(
            kind.value, what, since, until, command, number, routine_id, slot, count, details or {}
        )


def some(names: list[str]) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
