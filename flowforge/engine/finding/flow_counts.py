"""How many jobs each flow has by status, on all servers together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from flowforge.engine.engine import Engine
from flowforge.model.jobs.status import JobStatus


def flow_counts(engines: Sequence[Engine]) -> dict[str, dict[str, int]]:
    """Flow id -> status -> how many, by id; of the jobs that have been indexed."""
    totals: dict[str, Counter[str]] = {}
    for engine in engines:
        for flow_id, counts in engine.finder.counts_by_flow().items():
            totals.setdefault(flow_id, Counter()).update(counts)
    return {
        flow_id: {status.value: totals[flow_id][status] for status in JobStatus}
        for flow_id in sorted(totals)
    }
