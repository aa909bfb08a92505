"""Reading the log of a merging slot.

The commit that creates a delivery appends its params to the log and gives it a position. What the
delivery sees is the fold of the log from the last reset up to that position, and no delivery can
overwrite another's update. The store remembers which reset that was for the first attempt, so a
retry sees the same, and keeps the records until nobody can be shown them.
"""

from __future__ import annotations

from typing import Any

from flowforge.codec.binary import read_invocation
from flowforge.errors import CorruptRecordError, NewerRecordError
from flowforge.execution.attempt import Attempt, NotStartedError
from flowforge.model.plan import PlannedSlot
from flowforge.store.store import Store

#: Records read by one command.
_CHUNK = 1000


class MergedSlots:
    """Merged data of slots, read from the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def up_to(self, attempt: Attempt) -> dict[str, Any]:
        """What this attempt sees: everything after the last reset before its first attempt, up to
        and with itself. NotStartedError when its lease is lost.
        """
        store, job_id, position = self._store, attempt.job_id, attempt.position
        first, records = store.invocations.view(job_id, attempt.invocation, attempt.token, _CHUNK)
        if not first:
            attempt.given_back = NotStartedError()
            raise attempt.given_back
        field = f"{attempt.routine.index}.{attempt.slot.index}"
        key = store.keys.of("merges", job_id)
        records += self._read(key, field, first + len(records), position - 1)
        return _fold([*records, attempt.raw], attempt, attempt.slot)

    def now(self, attempt: Attempt, slot: PlannedSlot) -> dict[str, Any]:
        """Everything delivered to a slot so far; for an ``override`` slot the latest payload.

        ``attempt``: whose handler asks, for a slot of its routine.
        """
        key = self._store.keys.of("merges", attempt.job_id)
        field = f"{attempt.routine.index}.{slot.index}"
        before = None
        while True:
            length, base, latest = self._store.link.call(
                "HMGET", key, field, f"{field}.base", f"{field}.last"
            )
            if not slot.merges:
                data = {} if latest is None else _payload(latest, attempt, f"slot {slot.name!r}")
                attempt.reveal(slot, [data])
                return data
            records = self._read(key, field, int(base or 0) + 1, int(length or 0))
            if None not in records or base == before:
                return _fold(records, attempt, slot)
            # A reset came between: what it consumed may be gone already.
            before = base

    def _read(self, key: str, field: str, first: int, last: int) -> list[bytes | None]:
        records: list[bytes | None] = []
        for start in range(first, last + 1, _CHUNK):
            wanted = range(start, min(start + _CHUNK, last + 1))
            records += self._store.link.call("HMGET", key, *(f"{field}.{k}" for k in wanted))
        return records


def _payload(record: bytes, attempt: Attempt, what: str) -> dict[str, Any]:
    try:
        return read_invocation(record, what)[1]
    except NewerRecordError as error:
        # Here and not around all of it: the merge function is user code.
        attempt.given_back = error
        raise


def _fold(records: list[bytes | None], attempt: Attempt, slot: PlannedSlot) -> dict[str, Any]:
    """CorruptRecordError when a record is missing: it must not be passed over in silence."""
    what = f"the log of slot {slot.name!r}"
    payloads = []
    for record in records:
        if record is None:
            raise CorruptRecordError(f"{what} has lost {records.count(None)} of its records")
        payloads.append(_payload(record, attempt, what))
    # Before the merge function, which may raise.
    attempt.reveal(slot, payloads)
    assert slot.slot is not None, "only a defined slot merges"
    merged = slot.slot.merge(payloads)
    attempt.reveal(slot, [merged])
    return merged
