"""Reading how far a job is undone."""

from __future__ import annotations

from flowforge.model.jobs.status import JobStatus
from flowforge.model.jobs.undo import Undo, UndoStatus
from flowforge.store.job_reads.job_rows import JobRows, reading_row, status_of
from flowforge.store.reading import whole
from flowforge.store.store import Store

#: What a row has in place of the undoing job.
_WORDS = {
    b"waits": UndoStatus.WAITING,
    b"nothing": UndoStatus.NOTHING,
    b"undefined": UndoStatus.LOST,
}

#: What the status of the undoing job means. One that is paused goes on some time.
_STATUSES = {
    JobStatus.COMPLETED: UndoStatus.DONE,
    JobStatus.FAILED: UndoStatus.FAILED,
    JobStatus.CANCELLED: UndoStatus.CANCELLED,
}


class Undos:
    """Reads the undos of one installation."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._keys = store.keys
        self._rows = JobRows(store)

    def of_job(self, job_id: str) -> Undo | None:
        """How far a job is undone; None for one that is not. JobNotFoundError."""
        (raw,) = self._rows.fields(job_id, "undo")
        if raw is None:
            return None
        if raw in _WORDS:
            return Undo(_WORDS[raw].value)
        with reading_row(job_id):
            undoing = raw.decode()
        status, left, outstanding = self._link.many(
            [
                ("HGET", self._keys.of("job", undoing), "status"),
                ("LLEN", self._keys.of("undoing", undoing)),
                ("HLEN", self._keys.of("invocations", undoing)),
            ]
        )
        if status is None:
            return Undo(UndoStatus.LOST.value)
        with reading_row(undoing):
            stands = _STATUSES.get(status_of(status, undoing), UndoStatus.RUNNING)
            count = whole(left) + whole(outstanding)
        return Undo(stands.value, undoing, 0 if stands is UndoStatus.DONE else count)

    def undoes(self, job_id: str) -> str | None:
        """The job that this one undoes; None for any other job. JobNotFoundError."""
        (raw,) = self._rows.fields(job_id, "undoes")
        with reading_row(job_id):
            return None if raw is None else raw.decode()
