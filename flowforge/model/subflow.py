"""A flow used as a routine of another: what its id stands for when connections are made."""

from __future__ import annotations

from dataclasses import dataclass

from flowforge.errors import DefinitionError
from flowforge.model.names import listing

#: Between the id of a sub-flow and the ids of its routines.
SEPARATOR = "/"


@dataclass(frozen=True)
class SubFlow:
    """The inside of a sub-flow as seen from outside: an entry, and events that nobody takes."""

    id: str
    entry_routine_id: str
    entry_slot: str
    #: (routine id, event) of every event that is not connected inside.
    outputs: tuple[tuple[str, str], ...]

    def source(self, event: str) -> tuple[str, str]:
        """The routine and event behind an output, given as ``event`` or ``routine.event``."""
        inner = f"{self.id}{SEPARATOR}"
        found = [
            (routine_id, name)
            for routine_id, name in self.outputs
            if event in (name, f"{routine_id.removeprefix(inner)}.{name}")
        ]
        if len(found) == 1:
            return found[0]
        names = listing(
            f"{routine_id.removeprefix(inner)}.{name}" for routine_id, name in self.outputs
        )
        what = "several outputs named" if found else "no output"
        raise DefinitionError(f"sub-flow {self.id!r} has {what} {event!r}; it has: {names}")

    def target(self, slot: str) -> tuple[str, str]:
        """The routine and slot behind the entry."""
        if slot != self.entry_slot:
            raise DefinitionError(
                f"sub-flow {self.id!r} is entered by its slot {self.entry_slot!r}, not {slot!r}"
            )
        return self.entry_routine_id, self.entry_slot
