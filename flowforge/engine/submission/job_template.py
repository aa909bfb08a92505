"""What jobs that are submitted together have in common, as producers say it."""

from __future__ import annotations

from dataclasses import dataclass

from flowforge.common.bounded_repr import shown
from flowforge.errors import InvalidValueError
from flowforge.model.fair import fair_of
from flowforge.model.flow import FlowGraph
from flowforge.model.times.deadlines import NO_DEADLINES, Deadlines
from flowforge.settings import MOST


@dataclass(frozen=True)
class JobTemplate:
    """The flow, the routine where jobs enter it, and how urgent and how wide they may be.

    ``priority``: 0 (served first) to 9. ``max_in_flight``: how many of a job's invocations may be
    in the broker and in workers at the same time. None: what the flow or the settings say; of a
    child job, what the job that starts it has. InvalidValueError for an option out of range.
    """

    flow: FlowGraph
    entry_routine_id: str
    priority: int | None = None
    max_in_flight: int | None = None
    deadlines: Deadlines = NO_DEADLINES
    #: The packed context of the trace that the jobs continue; empty: none.
    trace: bytes = b""
    #: Whose work it is, and how often that has its turn; see ``fair_of``.
    fair_key: str | None = None
    weight: float | None = None

    @property
    def fair(self) -> str:
        """Weight and fair key as they are stored; empty: none."""
        fair = fair_of(self.fair_key, self.weight)
        return "" if fair is None else fair.text()

    @property
    def entry(self) -> str:
        """Routine and slot where the jobs enter the flow."""
        routine_id = self.entry_routine_id
        return f"{self.flow.entry_routine(routine_id)}.{self.flow.entry_slot(routine_id)}"

    def __post_init__(self) -> None:
        fair_of(self.fair_key, self.weight)
        check_priority(self.priority)
        if self.max_in_flight is not None and not _is_whole(self.max_in_flight, 1, MOST):
            raise InvalidValueError(
                f"max_in_flight must be a whole number of at least 1 and at most {MOST:g}, not "
                f"{shown(self.max_in_flight)}"
            )


def check_priority(priority: object) -> None:
    """InvalidValueError for what is neither None nor a priority."""
    if priority is not None and not _is_whole(priority, 0, 9):
        raise InvalidValueError(
            f"priority must be a whole number from 0 (first) to 9, not {shown(priority)}"
        )


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
