"""The outputs of a job, as they are kept with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flowforge.codec.binary import unpack_record
from flowforge.store.reading import reading, typed


@dataclass(frozen=True)
class Output:
    """What a routine emitted on an event that nobody is connected to."""

    invocation: int
    routine_id: str
    event: str
    params: dict[str, Any]


def read_output(raw: bytes, job_id: str) -> Output:
    """One record of the job's outputs; CorruptRecordError when it cannot be read."""
    what = f"an output of job {job_id}"
    with reading(what):
        number, routine_id, event, params = unpack_record(raw, what, 4)
        texts = typed(routine_id, str), typed(event, str)
        return Output(typed(number, int), *texts, typed(params, dict))
