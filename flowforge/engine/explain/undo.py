"""The finding on the undo of a job that has ended."""

from __future__ import annotations

from collections.abc import Callable

from flowforge.engine.undo_texts import told_undo
from flowforge.errors import JobNotFoundError, RecordError
from flowforge.model.jobs.job_finding import FindingKind, JobFinding
from flowforge.model.jobs.undo import Undo, UndoStatus

#: The first reason why a job stands where it does; None when nothing keeps it.
FirstReason = Callable[[str], JobFinding | None]


def undo_finding(undo: Undo, first_reason: FirstReason) -> JobFinding:
    """How far the job is undone, and what keeps that from going on."""
    reason = _reason(undo, first_reason)
    failed = undo.status in (UndoStatus.FAILED, UndoStatus.CANCELLED, UndoStatus.LOST)
    kind = FindingKind.UNDO_FAILED if failed else FindingKind.UNDO
    what = told_undo(undo)
    details: dict[str, object] = {"status": undo.status, "job_id": undo.job_id, "left": undo.left}
    if reason is None:
        return JobFinding(kind.value, what, count=undo.left, details=details)
    if undo.status == UndoStatus.FAILED and reason.invocation is not None:
        details["skip_command"] = f"flowforge skip {undo.job_id} {reason.invocation}"
    return JobFinding(
        kind.value, f"{what}: {reason.what}", since=reason.since, until=reason.until,
        command=reason.command, routine_id=reason.routine_id, slot=reason.slot,
        count=undo.left, details={**reason.details, **details},
    )  # fmt: skip


def _reason(undo: Undo, first_reason: FirstReason) -> JobFinding | None:
    if undo.job_id is None or undo.status == UndoStatus.DONE:
        return None
    try:
        return first_reason(undo.job_id)
    except (JobNotFoundError, RecordError):
        return None
