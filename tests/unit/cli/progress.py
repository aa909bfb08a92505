"""Progress of jobs for tests of how it is shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from flowforge.model.jobs.job_progress import JobProgress, RoutineProgress

AT = datetime(2013, 1, 1, tzinfo=UTC)


def one(name: str, done: int, total: int, **changes: Any) -> RoutineProgress:
    found: dict[str, Any] = {
        "total_is_final": True, "is_estimate": False, "running": 0, "retried": 0, "failed": 0,
        "error_continued": 0, "skipped": 0, "lost": 0, "usual_seconds": 0.02, **changes,
    }  # fmt: skip
    return RoutineProgress(done=done, total=total, routine_id=name, **found)


def job(*routines: RoutineProgress, **changes: Any) -> JobProgress:
    found = JobProgress(
        done=sum(routine.done for routine in routines),
        total=sum(routine.total for routine in routines),
        total_is_final=all(routine.total_is_final for routine in routines),
        job_id="7c1e-323af1d0d42dbfbde90b",
        status="running",
        running=sum(routine.running for routine in routines),
        waiting={},
        created_at=AT,
        ended_at=None,
        routines=routines,
    )
    return replace(found, **changes)
