"""One job as data, and the table of its routines."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from flowforge.cli.render import compact, duration, make_table, status_text
from flowforge.engine.engine import Engine
from flowforge.engine.job_state import JobState
from flowforge.store.inspector import COUNTERS, status_of
from flowforge.store.reading import moment, reading, whole
from flowforge.store.work_left import WORK, work_left

#: Counters of a routine's attempts that took time.
_TIMED = ("completed", "failed", "retried", "error_continued", "skipped")


def job_snapshot(engine: Engine, job_id: str) -> dict[str, Any]:
    """Everything that ``show`` and ``run`` tell of a job, outputs included."""
    row = engine.inspector.row(job_id)
    job = JobState(job_id, engine)
    return {
        **brief(job_id, row),
        **_rest(job_id, row),
        "error": job.error,
        "open_child_job_ids": open_children(engine, job_id),
        "routines": routines(engine, job_id),
        "open_joins": [dict(vars(join)) for join in job.open_joins],
        "pause_points": job.pause_points,
        # vars() and not asdict(), which copies params and cannot do so when they are deep.
        "outputs": [dict(vars(output)) for output in job.outputs],
    }


def _rest(job_id: str, row: dict[str, bytes]) -> dict[str, Any]:
    """What the row tells of a job beyond ``brief``."""
    with reading(f"the row of job {job_id}"):
        return {
            "entry": row["entry"].decode(),
            "priority": whole(row["priority"]),
            "started_at": _moment(row, "started"),
            "ended_at": _moment(row, "ended"),
            "limits": {
                "max_in_flight": whole(row["window"]),
                "history_limit": whole(row["history_limit"]),
                "output_limit": whole(row["output_limit"]),
                "retention_seconds": whole(row["keep"]) / 1000,
            },
            "definition": row["def"].decode(),
            "parent_job_id": row["parent"].decode().partition("/")[0] if "parent" in row else None,
            "output_count": whole(row.get("output_count", 0)),
        }


def open_children(engine: Engine, job_id: str) -> list[str]:
    """The jobs that the job's handlers have started and that have not ended."""
    key = engine.store.keys.of("children", job_id)
    found = engine.store.link.call("HKEYS", key)
    return sorted(raw.decode(errors="backslashreplace") for raw in found)


def brief(job_id: str, row: dict[str, bytes]) -> dict[str, Any]:
    """The part of a snapshot that the job's row alone tells; ``jobs`` lists these."""
    with reading(f"the row of job {job_id}"):
        return {
            "job_id": job_id,
            "flow_id": row["flow"].decode(),
            "status": status_of(row["status"], job_id),
            "reason": row["reason"].decode() if "reason" in row else None,
            "created_at": moment(row["created"]),
            "updated_at": _moment(row, "updated"),
            "counts": work_left(row),
        }


#: What ``brief`` needs of a row.
BRIEF_FIELDS = ("flow", "status", "reason", "created", "updated", *WORK)


def _moment(row: dict[str, bytes], field: str) -> datetime | None:
    return moment(row[field]) if field in row else None


def routines(engine: Engine, job_id: str) -> dict[str, dict[str, Any]]:
    """Every routine of the job's flow in the flow's order; those that did not run are pending."""
    states = engine.inspector.routine_states(job_id)
    return {
        spec.id: {
            "class": spec.class_name,
            "queue": spec.queue or engine.app.conf.task_default_queue,
            "status": "pending",
            "running": 0,
            **dict.fromkeys(COUNTERS, 0),
            **states.get(spec.id, {}),
        }
        for spec in engine.inspector.definition(job_id).routines
    }


def mean_seconds(state: dict[str, Any]) -> float | None:
    """Mean time of one attempt of a routine; None before the first has ended."""
    ended = sum(state[name] for name in _TIMED)
    return state["total_seconds"] / ended if ended else None


#: What is shown of each routine.
ROUTINE_COLUMNS = (
    "~ROUTINE", "STATUS", ">DONE", ">RUNNING", ">RETRIED", ">FAILED", ">MEAN", "~STATS",
)  # fmt: skip


def routine_table(states: dict[str, dict[str, Any]], title: str) -> Table:
    """One line for each routine."""
    return make_table(ROUTINE_COLUMNS, routine_rows(states), title)


def routine_rows(states: dict[str, dict[str, Any]]) -> list[list[str | Text]]:
    return [_line(name, state) for name, state in states.items()]


def _line(routine_id: str, state: dict[str, Any]) -> list[str | Text]:
    mean = mean_seconds(state)
    stats = state.get("stats") or {}
    return [
        routine_id,
        status_text(state["status"]),
        f"{state['completed']}/{state['started']}",
        *(str(state[name]) for name in ("running", "retried", "failed")),
        "-" if mean is None else duration(mean),
        " ".join(f"{name}={compact(value, 40)}" for name, value in stats.items()),
    ]
