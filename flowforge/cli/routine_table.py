"""The table of a job's routines, for ``show`` and while a job is watched."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from flowforge.cli.render import compact, status_text
from flowforge.cli.tables import make_table
from flowforge.common.duration import duration
from flowforge.store.usual_times import TIMED


def mean_seconds(state: dict[str, Any]) -> float | None:
    """Mean time of one attempt of a routine; None before the first has ended."""
    ended = sum(state[name] for name in TIMED)
    return state["total_seconds"] / ended if ended else None


#: What is shown of each routine.
ROUTINE_COLUMNS = (
    "~ROUTINE", "STATUS", ">DONE", ">RUNNING", ">RETRIED", ">FAILED", ">LOST", ">MEAN", "~STATS",
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
        *(str(state[name]) for name in ("running", "retried", "failed", "lost")),
        "-" if mean is None else duration(mean),
        " ".join(f"{name}={compact(value, 40)}" for name, value in stats.items()),
    ]
