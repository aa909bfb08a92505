"""Reading one outstanding invocation of a job: by its number, and who runs it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from flowforge.model.definition import Definition
from flowforge.model.invocation_id import lease_of, parse_lease
from flowforge.model.slot import CHILD_SLOT_INDEX, UNDO_SLOT_INDEX
from flowforge.store.lease_tokens import TokenOwner, owner_of
from flowforge.store.reading import reading
from flowforge.store.store import Store

#: How the record of an invocation begins that is an answer which is expected.
EXPECTED = b"E"

#: Names that one command asks for, and fields that one looks through.
_AT_ONCE = 500
_SCANNED = 1000


class FoundInvocation(NamedTuple):
    """An invocation that is not committed, and its record."""

    invocation: str
    record: bytes

    @property
    def expected(self) -> bool:
        """Whether it is an answer that is expected."""
        return self.record.startswith(EXPECTED)


class InvocationLookup:
    """Reads the invocations of one installation."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._keys = store.keys

    def find(self, job_id: str, definition: Definition, number: int) -> FoundInvocation | None:
        """The invocation of this number; None when it is done, or there never was one."""
        return self._find(self._keys.of("invocations", job_id), definition, number)

    def find_kept(self, job_id: str, definition: Definition, number: int) -> FoundInvocation | None:
        """An invocation that has ended, with its params but for secret ones, if they are kept."""
        return self._find(self._keys.of("inputs", job_id), definition, number)

    def _find(self, key: str, definition: Definition, number: int) -> FoundInvocation | None:
        names = _names(definition, number)
        while chunk := list(islice(names, _AT_ONCE)):
            for name, record in zip(chunk, self._link.call("HMGET", key, *chunk), strict=True):
                if record is not None:
                    return FoundInvocation(name, record)
        return self._merging(key, number) if _merges(definition) else None

    def _merging(self, key: str, number: int) -> FoundInvocation | None:
        """A delivery to a merging slot, in whose name is its position there."""
        cursor = b"0"
        while True:
            cursor, pairs = self._link.call(
                "HSCAN", key, cursor, "MATCH", f"{number}.*", "COUNT", _SCANNED
            )
            if pairs:
                with reading("the name of an invocation"):
                    return FoundInvocation(pairs[0].decode(), pairs[1])
            if int(cursor) == 0:
                return None

    def owner_of(self, job_id: str, invocation: str) -> TokenOwner | None:
        """Who has claimed it; None when it is not claimed."""
        token = self._token(lease_of(job_id, invocation, "*"))
        return None if token is None else owner_of(token)

    def _token(self, pattern: str) -> str | None:
        cursor, key = b"0", self._keys.of("leases")
        while True:
            cursor, page = self._link.call("ZSCAN", key, cursor, "MATCH", pattern)
            if page:
                return parse_lease(page[0].decode())[2]
            if int(cursor) == 0:
                return None


def _names(definition: Definition, number: int) -> Iterator[str]:
    """The names that it may have, but for one of a merging slot."""
    for routine, spec in enumerate(definition.routines):
        undoes = (UNDO_SLOT_INDEX + slot for slot in definition.undo_slots(routine))
        for slot in (*range(len(spec.slot_names)), *undoes, CHILD_SLOT_INDEX):
            yield f"{number}.{routine}.{slot}"


def _merges(definition: Definition) -> bool:
    return any(
        definition.mode(routine, slot) == "m"
        for routine, spec in enumerate(definition.routines)
        for slot in range(len(spec.slot_names))
    )
