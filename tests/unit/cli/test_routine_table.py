"""The table of a job's routines."""

from __future__ import annotations

from flowforge.cli.routine_table import ROUTINE_COLUMNS, routine_rows
from flowforge.store.job_reads.routine_states import COUNTERS


def test_what_was_given_back_is_no_attempt() -> None:
    """Only the attempts that count have a place in the table."""
    counters = dict.fromkeys(COUNTERS, 0) | {"started": 5, "completed": 3, "released": 2}
    state = {**counters, "status": "completed", "running": 0, "total_seconds": 0.0}
    (row,) = routine_rows({"charge": state})
    assert row[ROUTINE_COLUMNS.index(">ATTEMPTS")] == "3"
