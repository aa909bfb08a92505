"""What keeps a job where it is, or moves it on: the findings of ``JobState.explain``."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class FindingKind(StrEnum):
    """What a finding is about, in the order in which ``explain`` gives them."""

    #: The server takes no writes, so nothing of the job can go on.
    OUTAGE = "outage"
    #: The job completed.
    COMPLETED = "completed"
    #: The job failed; ``retry`` continues it, unless it is undone.
    FAILED = "failed"
    #: The job was cancelled.
    CANCELLED = "cancelled"
    #: What the ended job did is undone, or is going to be.
    UNDO = "undo"
    #: A compensation has failed, or the rest of them was given up.
    UNDO_FAILED = "undo_failed"
    #: The job is paused.
    PAUSED = "paused"
    #: A job above it is paused, has failed, or has ended.
    PARENT = "parent"
    #: The job waits for its turn: another one has the key of which one job runs at a time.
    SINGLE = "single"
    #: Invocations have stopped at breakpoints.
    BREAKPOINT = "breakpoint"
    #: Work waits on a queue that is paused.
    QUEUE_PAUSED = "queue_paused"
    #: Work waits on a queue that no live worker serves.
    UNSERVED = "unserved"
    #: Live workers serve the queue and none of them knows the routine's class.
    UNKNOWN_CLASS = "unknown_class"
    #: A worker runs a handler of the job.
    RUNNING = "running"
    #: The attempt of a handler was ended, and the handler still occupies a place of its worker.
    HANGING = "hanging"
    #: Messages wait for a worker.
    QUEUED = "queued"
    #: Invocations wait for the turn of the job's fair key.
    FAIR_TURN = "fair_turn"
    #: An invocation was put off: its first attempt is due at ``until``.
    DELAY = "delay"
    #: Invocations wait for the time of their next attempt.
    TIMER = "timer"
    #: Invocations wait for places of limits that are full.
    LIMIT = "limit"
    #: It expects answers from outside.
    EXPECTS = "expects"
    #: A handler waits for the end of a job that it has started.
    CHILD = "child"
    #: A join collects.
    JOIN = "join"
    #: As many invocations are queued and running as ``max_in_flight`` allows.
    MAX_IN_FLIGHT = "max_in_flight"
    #: Invocations wait behind those of the same job that are queued.
    IN_TURN = "in_turn"
    #: Nothing of the job is queued, running or on a timer, and it has not ended.
    STUCK = "stuck"
    #: A time has passed from which the job is late.
    LATE = "late"
    #: The job fails unless it has started, or ended, by a time.
    DEADLINE = "deadline"
    #: A schedule has started the job.
    SCHEDULE = "schedule"


@dataclass(frozen=True)
class JobFinding:
    """One reason why a job stands where it does.

    ``kind``: one of ``FindingKind``, as text. ``what``: a sentence for people. ``since``,
    ``until``: aware, UTC, by the server's clock; None where the server does not know. ``command``:
    what lets the job go on, or shows more; None where there is nothing to do. ``count``: how many
    invocations, joins or child jobs it is about; the others name one of them as a sample.
    ``details``: what the sentence says, for programs.
    """

    kind: str
    what: str
    since: datetime | None = None
    until: datetime | None = None
    command: str | None = None
    invocation: int | None = None
    routine_id: str | None = None
    slot: str | None = None
    count: int = 1
    details: dict[str, Any] = field(default_factory=dict)
