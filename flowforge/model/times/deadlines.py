"""In which time a job is to start and to finish."""

from __future__ import annotations

from typing import NamedTuple

from flowforge.model.times.start import Delay, timeout_ms


class Deadlines(NamedTuple):
    """Milliseconds from the submission, or from when a job that is put off is to start; 0: none."""

    start_ms: int = 0
    finish_ms: int = 0

    def text(self) -> str:
        """As the scripts take it."""
        return f"{self.start_ms or ''} {self.finish_ms or ''}" if any(self) else ""


NO_DEADLINES = Deadlines()


def deadlines_of(start_within: Delay | None, finish_within: Delay | None) -> Deadlines:
    """ValueError for what is no length of time above 0."""
    return Deadlines(
        timeout_ms("start_within", start_within), timeout_ms("finish_within", finish_within)
    )
