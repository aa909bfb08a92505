"""What can be read of a schedule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from flowforge.model.times.schedule import LATE, Policy, ScheduleStatus
from flowforge.model.times.timing import Timing


@dataclass(frozen=True)
class ScheduleInfo:
    """One schedule. Times are aware, UTC; None: never, or not known.

    ``entry``: routine and slot where its jobs begin. ``status``: ``active``, ``paused`` or
    ``ended``. ``next_at``: the next time, None after the last one, also of one that is paused;
    ``starts_at``: when that starts a job, later by the jitter. ``late``: seconds by which the
    leading worker is behind that, 0 within a minute. ``reason``, ``by``, ``paused_at``: of a pause;
    ``failed_job_id``: the job whose failure paused it. ``in_code``: a module declares it,
    ``module``; ``vanished``: no worker has had it in code for 15 minutes. ``other_versions``: how
    many other versions of it workers have in code. ``params``: of its jobs, without secret ones;
    None: too large to be shown. ``started``: jobs in all, ``skipped``: reason -> times;
    ``missed_at``: when some were found missed last. ``unfinished``: its jobs that have not
    completed; ``waiting``: times that wait for the end of a job. ``problem``: why the leading
    worker cannot start its job.
    """

    name: str
    flow_id: str
    entry: str
    timing: Timing
    policy: Policy
    status: ScheduleStatus
    next_at: datetime | None
    starts_at: datetime | None
    late: float
    reason: str | None
    by: str | None
    paused_at: datetime | None
    failed_job_id: str | None
    in_code: bool
    module: str | None
    vanished: bool
    other_versions: int
    labels: Mapping[str, str]
    priority: int
    params: dict[str, Any] | None
    started: int
    skipped: Mapping[str, int]
    missed_at: datetime | None
    last_at: datetime | None
    last_job_id: str | None
    unfinished: int
    waiting: int
    problem: str | None
    version: int
    definition: str
    created_at: datetime
    updated_at: datetime

    def next_times(self, most: int) -> Iterator[datetime]:
        """Its next times, as many as there are and at most ``most``; none after its end."""
        if self.next_at is not None:
            first = int(self.next_at.timestamp())
            for one in islice(self.timing.times(first - 1), most):
                yield datetime.fromtimestamp(one, UTC)

    def order(self) -> tuple[bool, float, str]:
        """What a list is sorted by: the next time, those that have ended last; then the name."""
        at = self.next_at
        return at is None, at.timestamp() if at else 0.0, self.name


def lateness(starts_ms: int | None, now_ms: int) -> float:
    """Seconds by which a start is late; 0 while that may be a restart or a change of the leader."""
    late = 0.0 if starts_ms is None else (now_ms - starts_ms) / 1000
    return late if late > LATE else 0.0


@dataclass(frozen=True)
class ScheduleEvent:
    """An entry of a schedule's history, the time ``at`` which it happened and its ``kind``.

    ``started``: ``time``, ``job_id`` and ``how`` (``schedule``, ``queue`` for one that has waited,
    ``trigger``, ``backfill``); ``known``: the time had its job already. ``skipped``: ``count``
    times from ``time`` to ``until``, and ``why``: ``overlap``, ``missed``, ``buffer`` or
    ``paused``. ``created``, ``changed``, ``paused``, ``resumed``, ``asked`` (a person has triggered
    it) and ``backfilled`` (``count`` times): ``by`` whom and ``why``.
    """

    at: datetime
    kind: str
    time: datetime | None = None
    until: datetime | None = None
    count: int = 0
    why: str | None = None
    job_id: str | None = None
    how: str | None = None
    by: str | None = None


@dataclass(frozen=True)
class Backfilled:
    """What became of the times: jobs were ``started``, they are ``waiting`` for the end of others,
    or were ``known`` to have theirs.
    """

    started: int
    waiting: int
    known: int


@dataclass(frozen=True)
class SchedulePage:
    """Some schedules in the order in which they come, and how many there are."""

    schedules: Sequence[ScheduleInfo]
    total: int
