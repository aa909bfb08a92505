"""One job as data, and the table of its routines."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from flowforge.cli.render import compact, duration, make_table, status_text
from flowforge.engine.engine import Engine
from flowforge.store.routine_states import COUNTERS

#: Counters of a routine's attempts that took time.
_TIMED = ("completed", "failed", "retried", "error_continued", "skipped")


def job_snapshot(engine: Engine, job_id: str) -> dict[str, Any]:
    """Everything that ``show`` and ``run`` tell of a job, outputs included."""
    inspector = engine.inspector
    summary, details = inspector.describe(job_id)
    return {
        # vars() and not asdict(), which copies params and cannot do so when they are deep.
        **vars(summary),
        **vars(details),
        "error": inspector.error(job_id),
        "open_child_job_ids": inspector.open_children(job_id),
        "routines": routines(engine, job_id),
        "open_joins": [dict(vars(join)) for join in inspector.open_joins(job_id)],
        "pause_points": inspector.pauses(job_id),
        "outputs": [dict(vars(output)) for output in inspector.outputs(job_id)],
    }


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
