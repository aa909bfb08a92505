"""What is left to do of a job."""

from __future__ import annotations

from collections.abc import Mapping

from flowforge.store.reading import whole

#: Counters of a job's row: where its invocations are.
WORK = ("queued", "running", "waiting", "timers", "staged")


def work_left(row: Mapping[str, bytes | None]) -> dict[str, int]:
    """How many invocations of a job are where, by its ``status`` and the counters of its row.

    Of a failed job all that is queued waits for its retry: it is parked when it is popped. Of a
    cancelled one only handlers that still run are left: messages are dropped when they are popped.
    """
    counts = {name: whole(row.get(name) or 0) for name in WORK}
    if row["status"] == b"failed":
        counts["waiting"] += counts["queued"]
        counts["queued"] = 0
    elif row["status"] == b"cancelled":
        counts = {**dict.fromkeys(WORK, 0), "running": counts["running"]}
    return counts
