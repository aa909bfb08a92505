"""What is left to do of a job."""

from __future__ import annotations

from collections.abc import Mapping

from flowforge.model.jobs.status import JobStatus
from flowforge.store.reading import whole

#: Where the invocations of a job are, and the field of its row that counts them.
WORK = {
    "queued": "queued",
    "running": "running",
    "parked": "waiting",
    "timers": "timers",
    "staged": "staged",
    "stopped": "stopped",
    "expected": "expected",
    "at_limits": "at_limits",
}


def work_left(row: Mapping[str, bytes | None]) -> dict[str, int]:
    """How many invocations of a job are where, by its ``status`` and the counters of its row.

    All that is queued of a failed job counts as parked: it is parked when it is popped. Of a
    cancelled one only handlers that still run are left: messages are dropped when they are popped.
    """
    counts = {name: whole(row.get(field) or 0) for name, field in WORK.items()}
    if row["status"] == JobStatus.FAILED.encode():
        counts["parked"] += counts["queued"]
        counts["queued"] = 0
    elif row["status"] == JobStatus.CANCELLED.encode():
        counts = {**dict.fromkeys(WORK, 0), "running": counts["running"]}
    return counts
