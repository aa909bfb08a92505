"""How errors and findings tell of the undo of a job."""

from __future__ import annotations

from flowforge.errors import JobStateError
from flowforge.model.jobs.undo import Undo, UndoStatus
from flowforge.store.job_reads.inspector import Inspector

_TOLD = {
    UndoStatus.WAITING: "what it did is undone as soon as no handler of it runs any more",
    UndoStatus.RUNNING: "job {} undoes what it did; compensations left: {}",
    UndoStatus.FAILED: "job {} has failed to undo what it did; compensations left: {}",
    UndoStatus.DONE: "job {} has undone what it did",
    UndoStatus.CANCELLED: "job {}, which undid what it did, was cancelled; compensations left: {}",
    UndoStatus.NOTHING: "it had done nothing that has an undo",
    UndoStatus.LOST: "the server no longer has what is needed to undo what it did",
}


def told_undo(undo: Undo) -> str:
    """One clause: how far it is."""
    return _TOLD[UndoStatus(undo.status)].format(undo.job_id, undo.left)


def refuse_undoing(inspector: Inspector, job_id: str, verb: str) -> None:
    """JobStateError for a job that undoes another one: ``verb`` is not for such jobs."""
    undone = inspector.undoes(job_id)
    if undone is not None:
        raise JobStateError(
            f"cannot {verb} job {job_id}: it undoes job {undone}; {verb} that one, or retry this"
        )


def not_retried(job_id: str, undo: Undo | None) -> str:
    """Why a job that is undone is not retried, and what can be done."""
    told = "" if undo is None else f": {told_undo(undo)}"
    text = f"job {job_id} cannot be retried, since what it did is undone{told}"
    if undo is not None and undo.status == UndoStatus.FAILED:
        text += f"; flowforge retry {undo.job_id} retries the compensation"
    return f"{text}; rerun() submits the job again"
