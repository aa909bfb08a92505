"""The outputs of a job, as they are kept with it."""

from __future__ import annotations

from flowforge.codec.binary import unpack_record
from flowforge.model.jobs.job_handle import Output
from flowforge.store.reading import reading, typed


def read_output(raw: bytes, job_id: str) -> Output:
    """One record of the job's outputs; CorruptRecordError when it cannot be read."""
    what = f"an output of job {job_id}"
    with reading(what):
        number, routine_id, event, params = unpack_record(raw, what, 4)
        texts = typed(routine_id, str), typed(event, str)
        return Output(typed(number, int), *texts, typed(params, dict))
