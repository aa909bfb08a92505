"""The finding on a job that waits for its turn, since one job of its key runs at a time."""

from __future__ import annotations

from collections.abc import Iterator

from flowforge.common.bounded_repr import shown
from flowforge.engine.job_server import JobServer
from flowforge.model.job_finding import FindingKind, JobFinding
from flowforge.store.job_rows import JobSummary


def waits_for_turn(server: JobServer, job: JobSummary) -> Iterator[JobFinding]:
    """Which job has the key, and how many have their turns before this one."""
    turn = server.inspector.turn(job.job_id)
    if turn is None or turn.holder == job.job_id:
        return
    between = turn.place - 1
    before = "1 other job has its turn" if between == 1 else f"{between} others have their turns"
    others = f"; {before} before it" if between else ""
    yield JobFinding(
        FindingKind.SINGLE.value,
        f"job {turn.holder} has the key {shown(job.single)}, of which one job runs at a time"
        f"{others}",
        command=f"flowforge explain {turn.holder}",
        count=job.counts["parked"],
        details={"key": job.single, "job_id": turn.holder, "place": turn.place},
    )
