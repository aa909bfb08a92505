"""The params of any invocation of a job, as far as they are still kept."""

from __future__ import annotations

from typing import Any, NamedTuple

from flowforge.codec.binary import read_invocation
from flowforge.model.definition import Definition
from flowforge.model.invocation_id import InvocationName
from flowforge.store.history import history_entry
from flowforge.store.invocation_reads.invocation_lookup import InvocationLookup
from flowforge.store.job_reads.job_rows import JobRows
from flowforge.store.reading import reading, whole
from flowforge.store.store import Store

#: Entries of the history that are read at once.
_PAGE = 500


class Input(NamedTuple):
    """An invocation and what it was given. ``params``: None for a join's and for what is not kept.

    ``masked``: secret params are not kept with it. ``ended``: the history tells of its end.
    """

    invocation: InvocationName
    params: dict[str, Any] | None
    masked: bool
    joins: bool = False
    expected: bool = False


class KeptInputs:
    """Reads jobs of one server."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._keys = store.keys
        self._rows = JobRows(store)
        self._lookup = InvocationLookup(store)

    def find(self, job_id: str, definition: Definition, number: int) -> Input | None:
        """What an invocation was given: None when there is no trace of it."""
        with reading(f"invocation {number} of job {job_id}"):
            outstanding = self._lookup.find(job_id, definition, number)
            found = outstanding or self._lookup.find_kept(job_id, definition, number)
            if found is None:
                return self._in_history(job_id, definition, number)
            named = InvocationName.parse(found.invocation)
            if found.record.startswith(b"J"):
                return Input(named, None, False, joins=True)
            if found.expected:
                return Input(named, None, False, expected=True)
            params = read_invocation(found.record, f"invocation {number} of job {job_id}")[1]
            return Input(named, params, masked=outstanding is None)

    def _in_history(self, job_id: str, definition: Definition, number: int) -> Input | None:
        key, end, own = self._keys.of("history", job_id), "+", f"{number}.".encode()
        seen: InvocationName | None = None
        while entries := self._link.call("XREVRANGE", key, end, "-", "COUNT", _PAGE):
            for raw in entries:
                fields = dict(zip(raw[1][::2], raw[1][1::2], strict=True))
                if not fields[b"t"].startswith(own):
                    continue
                seen = InvocationName.parse(fields[b"t"].decode())
                params = history_entry(raw, definition, job_id).details.get("params")
                if params is not None:
                    return Input(seen, params, masked=True)
            end = f"({entries[-1][0].decode()}"
        return None if seen is None else Input(seen, None, masked=True)

    def has_had(self, job_id: str, number: int) -> bool:
        """Whether the job has come as far as this number."""
        (last,) = self._rows.fields(job_id, "last")
        with reading(f"the row of job {job_id}"):
            return number <= whole(last or 0)
