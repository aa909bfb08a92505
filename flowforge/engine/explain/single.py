"""The finding on a job that waits for its turn, since one job of its key runs at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flowforge.common.bounded_repr import shown
from flowforge.engine.job_server import JobServer
from flowforge.errors import JobNotFoundError, RecordError
from flowforge.model.jobs.job_finding import FindingKind, JobFinding
from flowforge.store.job_reads.job_rows import JobSummary


def waits_for_turn(
    server: JobServer, job: JobSummary, reason_of: Callable[[str], JobFinding | None]
) -> Iterator[JobFinding]:
    """Which job has the key and why that has not ended, and how many have turns before this one.

    ``reason_of``: the first finding on a job.
    """
    turn = server.inspector.turn(job.job_id)
    if turn is None or turn.holder == job.job_id:
        return
    reason = reason_of(turn.holder)
    because = "" if reason is None else f"; of that one: {reason.what}"
    yield JobFinding(
        FindingKind.SINGLE.value,
        f"it waits for job {turn.holder}, which {_undo(server, turn.holder)}has the key "
        f"{shown(job.single)}, of which one job runs at a time{_between(turn.place - 1)}{because}",
        until=None if reason is None else reason.until,
        command=(reason and reason.command) or f"flowforge explain {turn.holder}",
        count=job.counts["parked"],
        details={
            "key": job.single, "job_id": turn.holder, "place": turn.place,
            "kind": None if reason is None else reason.kind,
        },
    )  # fmt: skip


def _undo(server: JobServer, holder: str) -> str:
    """That the job undoes the former one of the key."""
    try:
        undone = server.inspector.undoes(holder)
    except (JobNotFoundError, RecordError):
        return ""
    return "" if undone is None else f"undoes job {undone} and "


def _between(others: int) -> str:
    if not others:
        return ""
    before = "1 other job has its turn" if others == 1 else f"{others} others have their turns"
    return f"; {before} before it"
