"""The latest entries of a job's history for those who look at them again and again."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import Any

from flowforge.model.definition import Definition
from flowforge.model.invocation_id import InvocationName
from flowforge.store.history import entry_details
from flowforge.store.reading import moment, reading
from flowforge.store.store import Store


class LatestEntry:
    """What a ``HistoryEntry`` is. Its time and its details are read when they are asked for, since
    of most entries a look needs neither; CorruptRecordError then.

    Two are equal when they have the same id: an entry of a job never changes.
    """

    def __init__(
        self, entry_id: str, kind: str, place: tuple[int | None, str | None, str | None],
        fields: dict[bytes, bytes], job_id: str,
    ) -> None:  # fmt: skip
        self.id = entry_id
        self.kind = kind
        self.invocation, self.routine_id, self.slot = place
        self._fields = fields
        self._job_id = job_id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LatestEntry) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    @cached_property
    def at(self) -> datetime:
        """By the store's clock."""
        with reading(self._what):
            return moment(self.id.partition("-")[0].encode())

    @cached_property
    def details(self) -> dict[str, Any]:
        """What it says beyond its place."""
        with reading(self._what):
            return entry_details(self.kind, self._fields, self._what)

    @property
    def _what(self) -> str:
        return f"history entry {self.id} of job {self._job_id}"


def latest_history(
    store: Store, job_id: str, definition: Definition, limit: int
) -> list[LatestEntry]:
    """At most so many, the oldest first; CorruptRecordError when one cannot be read."""
    raws = store.link.call("XREVRANGE", store.keys.of("history", job_id), "+", "-", "COUNT", limit)
    # Most entries of a job are of a few places.
    places: dict[tuple[int, int], tuple[str, str]] = {}
    with reading(f"the history of job {job_id}"):
        return [_entry(raw, definition, job_id, places) for raw in reversed(raws)]


def _entry(
    raw: list[Any], definition: Definition, job_id: str,
    places: dict[tuple[int, int], tuple[str, str]],
) -> LatestEntry:  # fmt: skip
    fields = dict(zip(raw[1][::2], raw[1][1::2], strict=True))
    kind, text = fields[b"k"].decode(), fields[b"t"].decode()
    if not text:
        return LatestEntry(raw[0].decode(), kind, (None, None, None), fields, job_id)
    named = InvocationName.parse(text)
    at = named.routine, named.slot
    if at not in places:
        places[at] = definition.place_of(named)
    return LatestEntry(raw[0].decode(), kind, (named.number, *places[at]), fields, job_id)
