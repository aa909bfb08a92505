"""Reading what a join has collected."""

from __future__ import annotations

from typing import Any

from flowforge.codec.binary import read_invocation, split_trace
from flowforge.errors import CorruptRecordError
from flowforge.execution.attempt import Attempt
from flowforge.execution.effects import Effects
from flowforge.execution.joined import JoinedItems
from flowforge.model.invocation_id import number_of, task_id
from flowforge.model.plan import PlannedSlot
from flowforge.store.job_reads.slot_records import SlotRecords
from flowforge.store.store import Store


class Collections:
    """The items of joins, as params for their handlers."""

    def __init__(self, store: Store) -> None:
        self._records = SlotRecords(store)

    def params(
        self, job_id: str, invocation: str, slot: PlannedSlot, record: bytes
    ) -> dict[str, Any]:
        """``items``, under the name of the handler's only parameter if it has just one.

        With a key also the key's value, as the items have it. ``record`` is what the script that
        fired the join wrote: ``J<count> <key>``.
        """
        count = record[1:].partition(b" ")[0]
        if record[:1] != b"J" or not count.isdigit():
            what = f"invocation {task_id(job_id, invocation)}"
            raise CorruptRecordError(f"{what} has no record of a join")
        items = self._items(job_id, invocation, int(count))
        params: dict[str, Any] = {slot.signature.sole or "items": items}
        key = None if slot.slot is None or slot.slot.join is None else slot.slot.join.key
        if key is not None and slot.signature.sole is None:
            params[key] = items[0][key]
        return params

    def items_of(self, params: dict[str, Any]) -> JoinedItems:
        """The items among what ``params`` has returned."""
        return next(value for value in params.values() if isinstance(value, JoinedItems))

    def traces(self, attempt: Attempt, most: int) -> list[bytes]:
        """The packed contexts that the items of a join carry: of the first ``most``, and of the
        last one. Those that carry none are left out.
        """
        count = int(attempt.raw[1:].partition(b" ")[0])
        number = number_of(attempt.invocation)
        found = self._records.collected(attempt.job_id, number, 1, min(count, most))
        if count > most:
            found += self._records.collected(attempt.job_id, number, count, count)
        return [trace for record in found if record and (trace := split_trace(record)[1])]

    def release(self, attempt: Attempt, effects: Effects) -> None:
        """Let the commit of a join's handler drop the items that it got."""
        effects.resets.append(("", int(attempt.raw[1:].partition(b" ")[0])))

    def _items(self, job_id: str, invocation: str, count: int) -> JoinedItems:
        number = number_of(invocation)
        what = f"an item of join {job_id}-{number}"

        def read(first: int, last: int) -> list[dict[str, Any]]:
            found = self._records.collected(job_id, number, first, last)
            records = [record for record in found if record is not None]
            if len(records) < len(found):
                raise CorruptRecordError(f"{what} is missing")
            return [read_invocation(record, what)[1] for record in records]

        return JoinedItems(count, read)
