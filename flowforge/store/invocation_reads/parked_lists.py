"""Where the invocations of a job that have no message are parked."""

from __future__ import annotations

from typing import NamedTuple

from flowforge.model.definition import Definition
from flowforge.store.job_reads.job_rows import JobRows, reading_row
from flowforge.store.reading import whole
from flowforge.store.store import Store


class ParkedList(NamedTuple):
    """``key``: the list of what is parked of a routine. ``lane``: its broker list."""

    key: str
    lane: str


def parked_list(store: Store, job_id: str, definition: Definition, routine: int) -> ParkedList:
    """That of a routine; JobNotFoundError. A job on several queues has one for each broker list."""
    suffix, queues = JobRows(store).fields(job_id, "suffix", "queues")
    key = store.keys.of("definition", definition.hash)
    name = store.link.call("HGET", key, f"q{routine}")
    lane = "" if name is None else (name + (suffix or b"")).decode(errors="backslashreplace")
    with reading_row(job_id):
        owner = job_id if whole(queues or 1) == 1 else f"{job_id}/{lane}"
    return ParkedList(store.keys.of("parked", owner), lane)
