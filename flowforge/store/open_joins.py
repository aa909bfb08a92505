"""Joins of a job that have items and have not fired."""

from __future__ import annotations

from dataclasses import dataclass

from flowforge.model.definition import Definition
from flowforge.store.reading import reading, whole


@dataclass(frozen=True)
class OpenJoin:
    """A join that collects. ``key``: the value it is for, empty when it is for all items."""

    routine_id: str
    slot: str
    key: str
    items: int

    @property
    def for_key(self) -> str:
        return f" for {self.key!r}" if self.key else ""


def open_join(definition: Definition, job_id: str, field: str, items: int) -> OpenJoin:
    """The join that the scripts call ``r.s/key``; a secret key is not shown."""
    place, _, key = field.partition("/")
    with reading(f"the join {place!r} of job {job_id}"):
        routine, slot = (whole(part) for part in place.split("."))
        name = definition.slot_names(routine)[slot]
        join = definition.join(routine, slot)
        if join is not None and join.key in definition.secret(routine, slot):
            key = "***"
        return OpenJoin(definition.routines[routine].id, name, key, items)
