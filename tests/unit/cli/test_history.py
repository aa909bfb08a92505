"""What the command line says of what happened to a job."""

from __future__ import annotations

from datetime import UTC, datetime

from flowforge.cli.history import entry_line
from flowforge.model.jobs.job_event import JobEvent


def test_the_columns_of_a_history_line_up() -> None:
    """Whatever happened: the longest kind fits, too."""
    kinds = ("completed", "error_continued", "given_back", "failed")
    at = datetime(2013, 1, 1, tzinfo=UTC)
    lines = [entry_line(JobEvent("1-0", "j1", at, kind, 7, "it", "input", {})) for kind in kinds]
    assert {line.index("it.input") for line in lines} == {entry_line(None).index("ROUTINE.SLOT")}
    assert {line.index("7  ") for line in lines} == {entry_line(None).index("INVOCATION")}


def test_a_gap_is_told() -> None:
    """Also that a job has no history at all."""
    at = datetime(2013, 1, 1, tzinfo=UTC)

    def line(limit: int) -> str:
        details = {"history_limit": limit}
        return entry_line(JobEvent("1-0:gap", "j1", at, "gap", None, None, None, details))

    assert line(0).endswith("the history of this job is off (history_limit=0)")
    assert line(50).endswith("earlier entries may have been deleted: the history keeps about 50")
