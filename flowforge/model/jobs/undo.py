"""How far a job is undone: what ``JobState.undo`` tells."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class UndoStatus(StrEnum):
    """How the undo of a job stands."""

    #: The job has ended; handlers of it still run, whose commits are undone as well.
    WAITING = "waiting"
    #: Compensations are made, one at a time.
    RUNNING = "running"
    #: A compensation has failed. ``retry`` of the undoing job goes on with it, ``skip`` without it.
    FAILED = "failed"
    #: All is compensated.
    DONE = "done"
    #: The undoing job was cancelled: what was left is not undone.
    CANCELLED = "cancelled"
    #: Nothing had been committed that has an undo.
    NOTHING = "nothing"
    #: The server no longer has what an undo needs: the definition, or the undoing job.
    LOST = "lost"


@dataclass(frozen=True)
class Undo:
    """The undo of a job that has ended. ``status``: one of ``UndoStatus``, as text.

    ``job_id``: the job whose invocations are the compensations; None where there is none.
    ``left``: compensations that are not made yet.
    """

    status: str
    job_id: str | None = None
    left: int = 0
