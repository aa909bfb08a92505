"""Which versions of a flow its jobs have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flowforge.engine.engine import Engine
from flowforge.store.fleet_reads.index_walk import Found
from flowforge.store.job_reads.job_rows import JobRows


class FlowVersion(NamedTuple):
    """``definition``: its hash. ``jobs``: how many of the jobs have it. ``job_id``: the newest."""

    definition: str
    jobs: int
    job_id: str


def flow_versions(jobs: Sequence[tuple[Found, Engine]]) -> list[FlowVersion]:
    """The versions that these jobs have, that of the first job first.

    Jobs that are gone, and rows that cannot be read, are left out.
    """
    by_engine: dict[Engine, list[str]] = {}
    for found, engine in jobs:
        by_engine.setdefault(engine, []).append(found.job_id)
    names = {
        job_id: row[0].decode(errors="backslashreplace")
        for engine, job_ids in by_engine.items()
        for job_id, row in JobRows(engine.store).many(job_ids, "def")
        if isinstance(row, list) and row[0] is not None
    }
    versions: dict[str, list[str]] = {}
    for found, _ in jobs:
        if found.job_id in names:
            versions.setdefault(names[found.job_id], []).append(found.job_id)
    return [FlowVersion(name, len(job_ids), job_ids[0]) for name, job_ids in versions.items()]
