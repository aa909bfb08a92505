"""What slots hold of their deliveries: the log of a merging slot, the items of a join."""

from __future__ import annotations

from typing import NamedTuple

from flowforge.store.store import Store

#: Records read by one command.
_CHUNK = 1000


class SlotLog(NamedTuple):
    """How far the log of a slot goes. ``consumed``: records up to here were taken by a reset.

    ``latest``: the latest record, of a slot that does not merge.
    """

    length: int
    consumed: int
    latest: bytes | None


class SlotRecords:
    """Reads the records of one fleet's slots."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._keys = store.keys

    def log(self, job_id: str, routine: int, slot: int) -> SlotLog:
        """The state of a slot's log; routine and slot by their indexes in the definition."""
        field = f"{routine}.{slot}"
        length, base, latest = self._link.call(
            "HMGET", self._keys.of("merges", job_id), field, f"{field}.base", f"{field}.last"
        )
        return SlotLog(int(length or 0), int(base or 0), latest)

    def logged(
        self, job_id: str, routine: int, slot: int, first: int, last: int
    ) -> list[bytes | None]:
        """The records of a slot's log from ``first`` to ``last``; None for one that is gone."""
        key = self._keys.of("merges", job_id)
        records: list[bytes | None] = []
        for start in range(first, last + 1, _CHUNK):
            places = range(start, min(start + _CHUNK, last + 1))
            records += self._link.call("HMGET", key, *(f"{routine}.{slot}.{k}" for k in places))
        return records

    def collected(self, job_id: str, number: str, first: int, last: int) -> list[bytes | None]:
        """Items of the join that fired as invocation ``number``; None for one that is gone."""
        fields = [f"{number}.{place}" for place in range(first, last + 1)]
        found: list[bytes | None] = self._link.call(
            "HMGET", self._keys.of("collected", job_id), *fields
        )
        return found
