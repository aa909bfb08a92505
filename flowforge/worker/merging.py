"""Reading the log of a merging slot.

The commit that creates a delivery appends its params to the log and gives it a position. What the
delivery sees is the fold of the log from the last reset up to that position, so a retry sees what
the first attempt saw, and no delivery can overwrite another's update.
"""

from __future__ import annotations

from typing import Any

from flowforge.codec import read_invocation
from flowforge.execution.delivery import Delivery
from flowforge.model.plan import PlannedRoutine, PlannedSlot
from flowforge.store.store import Store

#: Records read by one command.
_CHUNK = 1000


class MergedSlots:
    """Merged data of slots, read from the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def up_to(self, delivery: Delivery) -> dict[str, Any]:
        """What this delivery sees: everything after the last reset, up to and with itself."""
        field = f"{delivery.routine.index}.{delivery.slot.index}"
        key = self._store.keys.of("merges", delivery.job_id)
        base = int(self._store.link.call("HGET", key, f"{field}.base") or 0)
        # A later delivery's reset has consumed this one: it still sees itself.
        first = base + 1 if base < delivery.position else delivery.position
        return self._fold(key, field, first, delivery.position, delivery.slot)

    def now(self, job_id: str, routine: PlannedRoutine, slot: PlannedSlot) -> dict[str, Any]:
        """Everything delivered to a slot so far; for an ``override`` slot the latest payload."""
        key = self._store.keys.of("merges", job_id)
        field = f"{routine.index}.{slot.index}"
        length, base, latest = self._store.link.call(
            "HMGET", key, field, f"{field}.base", f"{field}.last"
        )
        if not slot.merges:
            return {} if latest is None else read_invocation(latest, f"slot {slot.name!r}")[1]
        return self._fold(key, field, int(base or 0) + 1, int(length or 0), slot)

    def _fold(
        self, key: str, field: str, first: int, last: int, slot: PlannedSlot
    ) -> dict[str, Any]:
        records: list[bytes | None] = []
        for start in range(first, last + 1, _CHUNK):
            wanted = range(start, min(start + _CHUNK, last + 1))
            records += self._store.link.call("HMGET", key, *(f"{field}.{k}" for k in wanted))
        what = f"the log of slot {slot.name!r}"
        payloads = [read_invocation(record, what)[1] for record in records if record is not None]
        assert slot.slot is not None, "only a defined slot merges"
        return slot.slot.merge(payloads)
