"""Joins of a job that have items and have not fired."""

from __future__ import annotations

from flowforge.codec.masking import HIDDEN
from flowforge.model.definition import Definition
from flowforge.model.jobs.job_handle import OpenJoin
from flowforge.store.reading import reading, whole


def open_join(definition: Definition, job_id: str, field: str, items: int) -> OpenJoin:
    """The join that the scripts call ``r.s/key``; a secret key is not shown."""
    place, _, key = field.partition("/")
    with reading(f"the join {place!r} of job {job_id}"):
        routine, slot = (whole(part) for part in place.split("."))
        name = definition.slot_names(routine)[slot]
        join = definition.join(routine, slot)
        if join is not None and join.key in definition.secret(routine, slot):
            key = HIDDEN
        return OpenJoin(definition.routines[routine].id, name, key, items)
