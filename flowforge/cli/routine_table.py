"""The table of a job's routines, for ``show``."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from flowforge.cli.terminal.render import compact, status_text
from flowforge.common.duration import duration
from flowforge.store.fleet_reads.usual_times import mean_seconds
from flowforge.store.job_reads.routine_states import counted_attempts, ended_invocations, failures

#: What is shown of each routine.
ROUTINE_COLUMNS = (
    "~ROUTINE", "STATUS", ">DONE", ">ATTEMPTS", ">RUNNING", ">RETRIED", ">FAILED", ">LOST", ">MEAN",
    "~STATS",
)  # fmt: skip


def routine_rows(states: dict[str, dict[str, Any]]) -> list[list[str | Text]]:
    return [_line(name, state) for name, state in states.items()]


def _line(routine_id: str, state: dict[str, Any]) -> list[str | Text]:
    mean = mean_seconds(state)
    stats = state.get("stats") or {}
    return [
        routine_id,
        status_text(state["status"]),
        str(ended_invocations(state)),
        str(counted_attempts(state)),
        str(state["running"]),
        str(state["retried"]),
        str(failures(state)),
        str(state["lost"]),
        "-" if mean is None else duration(mean),
        " ".join(f"{name}={compact(value, 40)}" for name, value in stats.items()),
    ]
