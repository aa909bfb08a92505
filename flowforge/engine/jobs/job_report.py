"""One job as data: what ``show``, ``run`` and ``watch`` tell of it, and the dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowforge.engine.engine import Engine
from flowforge.engine.jobs.job_work import job_work
from flowforge.errors import RecordError
from flowforge.model.jobs.connection_count import ConnectionCount, JobWork, WorkPlaces
from flowforge.model.jobs.job_progress import Share
from flowforge.model.jobs.status import RoutineStatus
from flowforge.store.job_reads.routine_states import COUNTERS


def job_snapshot(engine: Engine, job_id: str) -> dict[str, Any]:
    """Everything that ``show`` and ``run`` tell of a job, outputs included."""
    inspector = engine.inspector
    summary, details = inspector.describe(job_id)
    error = inspector.error(job_id)
    undo = inspector.undo(job_id) if summary.is_undone else None
    return {
        # vars() and not asdict(), which copies params and cannot do so when they are deep.
        **{name: value for name, value in vars(summary).items() if name != "is_undone"},
        **vars(details),
        "undo": dict(vars(undo)) if undo else None,
        "params": inspector.params(job_id),
        "error": error,
        "trace_id": trace_of_job(engine, job_id, error),
        "explanation": [dict(vars(finding)) for finding in engine.explain(job_id)],
        "open_child_job_ids": inspector.open_children(job_id),
        "progress": progress_of(engine, job_id),
        "routines": routines(engine, job_id),
        "work": _work(work_of_job(engine, job_id)),
        "breakpoints": [dict(vars(one)) for one in engine.breakpoints.of_job(job_id)],
        "open_joins": [dict(vars(join)) for join in inspector.open_joins(job_id)],
        "pause_points": inspector.pauses(job_id),
        "outputs": [dict(vars(output)) for output in inspector.outputs(job_id)],
    }


def trace_of_job(engine: Engine, job_id: str, error: Mapping[str, Any] | None) -> str | None:
    """The trace that the job was submitted in, else the one in which it failed with ``error``."""
    return engine.inspector.trace_id(job_id) or (error or {}).get("trace_id")


def progress_of(engine: Engine, job_id: str) -> dict[str, Any] | None:
    """How much is done of what is known; None where an invocation of the job cannot be read."""
    try:
        found = engine.progress(job_id)
    except RecordError:
        return None
    parts = {routine.routine_id: _share(routine) for routine in found.routines}
    return {**_share(found), "waiting": found.waiting, "routines": parts}


def work_of_job(engine: Engine, job_id: str) -> JobWork | None:
    """Where the invocations of a job are, and what went over its connections; None where an
    invocation of the job cannot be read.
    """
    try:
        return job_work(engine, job_id)
    except RecordError:
        return None


def _work(work: JobWork | None) -> dict[str, Any] | None:
    if work is None:
        return None
    return {
        "routines": {name: dict(vars(places)) for name, places in work.routines.items()},
        "connections": [_connection(one) for one in work.connections],
    }


def _connection(count: ConnectionCount) -> dict[str, Any]:
    ends = ("source_routine_id", "source_event", "target_routine_id", "target_slot")
    return {
        **dict(zip(ends, count.connection.ends, strict=True)),
        "delivered": count.delivered,
        "is_estimate": count.is_estimate,
        "done": count.done,
        "failed": count.failed,
        **_places(count.places),
    }


def _places(places: WorkPlaces | None) -> dict[str, Any]:
    if places is None:
        return {"running": None, "waiting": None}
    return {"running": places.running, "waiting": places.waiting}


def _share(share: Share) -> dict[str, Any]:
    return {
        "done": share.done,
        "total": share.total,
        "total_is_final": share.total_is_final,
        "percent": share.percent,
    }


def routines(engine: Engine, job_id: str) -> dict[str, dict[str, Any]]:
    """Every routine of the job's flow in the flow's order; those that did not run are pending."""
    states = engine.inspector.routine_states(job_id)
    return {
        spec.id: {
            "class": spec.class_name,
            "queue": spec.queue or engine.app.conf.task_default_queue,
            "status": RoutineStatus.PENDING.value,
            "running": 0,
            **dict.fromkeys(COUNTERS, 0),
            **states.get(spec.id, {}),
        }
        for spec in engine.inspector.definition(job_id).routines
    }
