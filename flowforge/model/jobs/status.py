"""The words for how a job, a routine and an attempt stand.

The scripts write them, so they are part of what is stored. Users get them as plain text: a payload
holds text, and no member of an enum.
"""

from __future__ import annotations

from enum import StrEnum


class JobStatus(StrEnum):
    """How a job stands, in the order of a job's life."""

    #: Submitted; no handler of it has started yet.
    PENDING = "pending"
    #: A handler has started, and something is left to do.
    RUNNING = "running"
    #: ``pause()`` was called: no handler starts before ``resume()``.
    PAUSED = "paused"
    #: Nothing is left to do.
    COMPLETED = "completed"
    #: An attempt failed it, or an invocation was quarantined. ``retry()`` makes it run again.
    FAILED = "failed"
    #: ``cancel()`` was called, or the job that started it has ended: it can never run again.
    CANCELLED = "cancelled"


#: The statuses of a job that accepts no commit any more.
ENDED = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})

#: The statuses of a job that can never go on.
FINAL = frozenset({JobStatus.COMPLETED, JobStatus.CANCELLED})

#: The statuses of a job that has not ended.
ACTIVE = tuple(status for status in JobStatus if status not in ENDED)


class RoutineStatus(StrEnum):
    """How a routine stands in one job, over all its invocations."""

    #: Its latest attempt does not count or is to be followed by another, and none runs now.
    PENDING = "pending"
    #: At least one of its handlers runs.
    RUNNING = "running"
    #: Its latest attempt was committed, and no error was passed over.
    COMPLETED = "completed"
    #: Its latest attempt has failed the job.
    FAILED = "failed"
    #: An error was passed over by CONTINUE.
    ERROR_CONTINUED = "error_continued"
    #: An error was passed over by SKIP, or an operator skipped the latest invocation.
    SKIPPED = "skipped"


class AttemptOutcome(StrEnum):
    """What became of an attempt: a counter of its routine, and the kind of its history entry."""

    #: The handler returned, and all that it emitted was accepted.
    COMPLETED = "completed"
    #: It raised, and the job failed with it.
    FAILED = "failed"
    #: It raised, and the invocation runs again.
    RETRIED = "retried"
    #: It raised, and CONTINUE passed over it.
    ERROR_CONTINUED = "error_continued"
    #: It raised, and SKIP passed over it.
    SKIPPED = "skipped"
    #: Its lease expired: the worker is dead, stuck or without contact.
    LOST = "lost"
    #: The worker gave it back; it does not count as an attempt: the worker could not run it, found
    #: before the handler that the job was paused, or the handler said that it is to run later.
    RELEASED = "released"
    #: The job had ended before: nothing of it counts. It has no history entry.
    DROPPED = "dropped"


#: The outcomes that end an invocation.
COMMITTED = frozenset(
    {AttemptOutcome.COMPLETED, AttemptOutcome.ERROR_CONTINUED, AttemptOutcome.SKIPPED}
)
