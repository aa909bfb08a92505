"""How far a job is: what ``JobState.progress`` tells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Share:
    """How many of the invocations that are known have ended.

    ``total_is_final``: no more can come, unless the job is retried. Otherwise ``total`` is the
    least that it can become: handlers that have not ended may emit more.
    """

    done: int
    total: int
    total_is_final: bool

    @property
    def percent(self) -> int | None:
        """Percent that are done, rounded down; None while the total is not final, or zero."""
        if not self.total_is_final or self.total <= 0:
            return None
        return min(100, 100 * self.done // self.total)


@dataclass(frozen=True)
class RoutineProgress(Share):
    """How far one routine is.

    ``is_estimate``: the total was estimated from some of the job's invocations, as there are many.
    ``running``: handlers that run. ``retried``, ``failed``, ``error_continued``, ``skipped``,
    ``lost``: attempts that ended so; ``failed`` includes a quarantine. ``usual_seconds``: the mean
    of its attempts, in this job or a former one of the flow; None where none has ended.
    """

    routine_id: str
    is_estimate: bool
    running: int
    retried: int
    failed: int
    error_continued: int
    skipped: int
    lost: int
    usual_seconds: float | None


@dataclass(frozen=True)
class JobProgress(Share):
    """How far a job is, by the invocations that are known of it.

    ``running``: handlers that run. ``waiting``: how much of the rest waits, by cause, as the kinds
    of ``explain`` name it: ``queued``, ``timer``, ``child``, ``join``; and of what is parked
    ``paused``, ``failed``, ``max_in_flight`` or ``in_turn``. ``created_at``, ``ended_at``: by the
    server's clock; ``ended_at`` is None while the job goes on. ``routines``: in the order of the
    flow.
    """

    job_id: str
    status: str
    running: int
    waiting: dict[str, int]
    created_at: datetime
    ended_at: datetime | None
    routines: tuple[RoutineProgress, ...]
