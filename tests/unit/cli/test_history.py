"""What the command line says of what happened to a job."""

from __future__ import annotations

from datetime import UTC, datetime

from flowforge.cli.history import entry_line
from flowforge.model.job_handle import HistoryEntry


def test_the_columns_of_a_history_line_up() -> None:
    """Whatever happened: the longest kind fits, too."""
    kinds = ("completed", "error_continued", "given_back", "failed")
    at = datetime(2013, 1, 1, tzinfo=UTC)
    lines = [entry_line(HistoryEntry("1-0", at, kind, 7, "it", "input", {})) for kind in kinds]
    assert {line.index("it.input") for line in lines} == {entry_line(None).index("ROUTINE.SLOT")}
    assert {line.index("7  ") for line in lines} == {entry_line(None).index("INVOCATION")}
