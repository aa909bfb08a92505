"""Reading the log of a merging slot.

The commit that creates a delivery appends its params to the log and gives it a position. What the
delivery sees is the fold of the log from the last reset up to that position, and no delivery can
overwrite another's update. The store remembers which reset that was for the first attempt, so a
retry sees the same, and keeps the records until no attempt can be shown them.
"""

from __future__ import annotations

from typing import Any

from flowforge.codec.binary import read_invocation
from flowforge.errors import CorruptRecordError, NewerRecordError
from flowforge.execution.attempt import Attempt, NotStartedError
from flowforge.model.plan import PlannedSlot
from flowforge.store.job_reads.slot_records import SlotRecords
from flowforge.store.store import Store

#: Records that the script shows at once.
_CHUNK = 1000


class MergedSlots:
    """Merged data of slots, read from the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._records = SlotRecords(store)

    def up_to(self, attempt: Attempt) -> dict[str, Any]:
        """What this attempt sees: everything after the last reset before its first attempt, up to
        and with itself. NotStartedError when its lease is lost.
        """
        store, job_id, position = self._store, attempt.job_id, attempt.position
        first, records = store.invocations.view(job_id, attempt.invocation, attempt.token, _CHUNK)
        if not first:
            attempt.given_back = NotStartedError()
            raise attempt.given_back
        routine, slot = attempt.routine.index, attempt.slot.index
        start = first + len(records)
        records += self._records.logged(job_id, routine, slot, start, position - 1)
        return _fold([*records, attempt.raw], attempt, attempt.slot)

    def now(self, attempt: Attempt, slot: PlannedSlot) -> dict[str, Any]:
        """Everything delivered to a slot so far; for an ``override`` slot the latest payload.

        ``attempt``: whose handler asks, for a slot of its routine.
        """
        place = attempt.job_id, attempt.routine.index, slot.index
        before = None
        while True:
            length, consumed, latest = self._records.log(*place)
            if not slot.merges:
                data = {} if latest is None else _payload(latest, attempt, f"slot {slot.name!r}")
                attempt.reveal(slot, [data])
                return data
            records = self._records.logged(*place, consumed + 1, length)
            if None not in records or consumed == before:
                return _fold(records, attempt, slot)
            # A reset came between: what it consumed may be gone already.
            before = consumed


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
