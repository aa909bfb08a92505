"""What is drawn: a definition, and of a job how each routine stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from flowforge.cli.terminal.render import one_line
from flowforge.model.definition import Definition


class Subject(NamedTuple):
    """``states``: by routine, as ``job_report.routines`` has them; empty for a flow."""

    definition: Definition
    job_id: str | None = None
    status: str = ""
    states: Mapping[str, Mapping[str, Any]] = {}

    @property
    def title(self) -> str:
        """One clean line."""
        name = f"flow {self.definition.flow_id}"
        job = "" if self.job_id is None else f", job {self.job_id}: {self.status}"
        return one_line(f"{name}{job}, definition {self.definition.hash}")

    @property
    def edges(self) -> list[tuple[int, int]]:
        """The connections as indexes of routines."""
        index = self.definition.index
        return [
            (index(one.source_routine_id), index(one.target_routine_id))
            for one in self.definition.connections
        ]

    def lines(self, place: int) -> list[str]:
        """What stands in the box of a routine: its id; of a job also its status and counts."""
        routine_id = self.definition.routines[place].id
        state = self.states.get(routine_id)
        name = one_line(routine_id)
        # A status may be a text that a handler has chosen.
        return [name] if state is None else [name, one_line(str(state["status"])), counts(state)]


def counts(state: Mapping[str, Any]) -> str:
    """``20 done, 1 running, 2 failed``; what is zero is left out."""
    named = {
        "done": state["completed"],
        "running": state["running"],
        "failed": state["failed"],
        "retried": state["retried"],
    }
    return ", ".join(_told(named)) or "0 done"


def _told(named: Mapping[str, int]) -> Iterator[str]:
    return (f"{count} {name}" for name, count in named.items() if count)
