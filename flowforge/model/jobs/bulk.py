"""Bulk operations: what they do to jobs, and how far they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from flowforge.model.jobs.status import ACTIVE, ENDED, JobStatus


class BulkAction(StrEnum):
    """What is done to each job."""

    RETRY = "retry"
    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    LABEL = "label"
    DELETE = "delete"


class BulkStatus(StrEnum):
    """How a bulk operation stands."""

    #: It has not come to all of its jobs.
    RUNNING = "running"
    #: It has come to each of its jobs.
    DONE = "done"
    #: It was ended before it had come to all of its jobs.
    ABORTED = "aborted"


#: Statuses of the jobs that take an action; a job of another one is refused.
TAKEN: dict[BulkAction, tuple[JobStatus, ...]] = {
    BulkAction.RETRY: (JobStatus.FAILED,),
    BulkAction.CANCEL: tuple(ACTIVE),
    BulkAction.PAUSE: (JobStatus.PENDING, JobStatus.RUNNING),
    BulkAction.RESUME: (JobStatus.PAUSED,),
    BulkAction.LABEL: tuple(JobStatus),
    BulkAction.DELETE: tuple(ENDED),
}

#: Jobs that are kept of those that have taken the action, TAKEN of bulk_step.lua.
TAKEN_SAMPLES = 20

#: Why a job is refused, by the word that is kept; any other word is the status of the job.
_REASONS = {
    "gone": "there is no such job any more",
    "newer": "a newer FlowForge keeps it",
    "undefined": "its definition is gone from the server",
    "orphaned": "the job that started it was cancelled",
    "awaited": "the job that started it has not taken its end yet",
    "undone": "what it did is undone",
    "undoing": "what it did is being undone",
    "undoes": "it undoes another job",
    "full": "it would have too many labels",
    "damaged": "its records are damaged",
}


def refusal_text(word: str) -> str:
    """Why a job was refused, for people."""
    return _REASONS.get(word) or f"it is {word}"


@dataclass(frozen=True)
class BulkRefusal:
    """Jobs that were refused for one reason. ``job_ids``: the first five of them."""

    reason: str
    count: int
    job_ids: list[str]


@dataclass(frozen=True)
class BulkProgress:
    """How far a bulk operation is.

    ``status``: ``running``, ``done`` or ``aborted``. ``matched``: its jobs, of which ``done`` have
    taken the action, ``refused`` could not, and ``left`` were not come to. ``refusals``: why, the
    most frequent reason first. ``job_ids``: some of those that have taken the action.
    """

    status: str
    matched: int
    done: int
    refused: int
    left: int
    refusals: list[BulkRefusal] = field(default_factory=list)
    job_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class BulkInfo:
    """A bulk operation: what it does to which jobs, who has started it, when and why.

    ``selection``: the jobs, in words. ``labels``: what ``label`` changes; None takes a label away.
    ``rate``: jobs a second, None for any. ``aborted_by``: who has ended it before its time.
    """

    bulk_id: str
    action: str
    selection: str
    reason: str
    by: str
    created_at: datetime
    ended_at: datetime | None
    rate: float | None
    labels: dict[str, str | None]
    aborted_by: str | None
    progress: BulkProgress


@dataclass(frozen=True)
class BulkPreview:
    """The jobs that a bulk operation would be about.

    ``count``: how many; unless ``exact``, at least so many. ``statuses``: how many of each status,
    of the jobs that were looked at, which are all when they add up to ``count`` and it is exact.
    ``job_ids``: the newest five.
    """

    selection: str
    count: int
    statuses: dict[str, int]
    job_ids: list[str]
    exact: bool = True

    @property
    def looked_at(self) -> int:
        """Of how many the statuses are."""
        return sum(self.statuses.values())

    @property
    def whole(self) -> bool:
        """Whether all were looked at."""
        return self.exact and self.looked_at == self.count

    def taken(self, action: str) -> int:
        """How many of those looked at have a status that takes the action."""
        return sum(self.statuses[status] for status in TAKEN[BulkAction(action)])
