"""Reading one invocation of a job for people: where it is, its params, what happened to it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from flowforge.codec.binary import read_invocation
from flowforge.codec.masking import HIDDEN
from flowforge.model.definition import Definition
from flowforge.model.invocation_id import InvocationName, in_job
from flowforge.model.jobs.job_handle import HistoryEntry
from flowforge.model.slot import CHILD_SLOT_INDEX
from flowforge.store.history import history_entry
from flowforge.store.invocation_reads.invocation_lookup import InvocationLookup
from flowforge.store.invocation_reads.parked_lists import parked_list
from flowforge.store.job_reads.job_rows import JobRows
from flowforge.store.reading import moment, reading
from flowforge.store.store import Store

#: Entries of the history that one command reads, and commands of one look.
_PAGE = 1000
_PAGES = 10

#: Entries of one invocation that a look tells of, the latest.
MOST_ENTRIES = 100

#: Bytes of a record whose params are read.
_LARGE = 64 * 1024

#: How the record of an invocation begins that handles the items of a join.
_JOINED = b"J"


class InvocationState(StrEnum):
    """Where an invocation is."""

    QUEUED = "queued"
    RUNNING = "running"
    PARKED = "parked"
    #: Parked at a breakpoint.
    STOPPED = "stopped"
    #: On a timer, until its next attempt.
    TIMER = "timer"
    #: Its handler has started a job, and it waits for the end of that job.
    CHILD = "child"
    #: It is an answer from outside that is expected.
    EXPECTED = "expected"
    ENDED = "ended"


#: Those in which an operator can change it.
IDLE = frozenset({InvocationState.PARKED, InvocationState.STOPPED, InvocationState.TIMER})


class Given(NamedTuple):
    """What an invocation was given. ``params``: secret ones masked; None: see the others.

    ``emitter``: the number of the invocation that has emitted it; 0: the job was submitted with it;
    None: it is not known. ``joins``: it has the items of a join. ``large``: its params take more
    than 64 KiB. Neither: they are not kept.
    """

    params: dict[str, Any] | None = None
    emitter: int | None = None
    joins: bool = False
    large: bool = False


class InvocationLook(NamedTuple):
    """One invocation. ``due``: when its timer is over; None: it is on none.

    ``secret``: the names of its secret params. ``entries``: what the history tells of it, oldest
    first; with ``earlier`` only the latest. ``mark``: another one when its params, its state or its
    history have changed; ``record_mark``: another one when its params have.
    """

    number: int
    routine_id: str
    slot: str
    state: InvocationState
    due: datetime | None
    given: Given
    secret: frozenset[str]
    entries: Sequence[HistoryEntry]
    earlier: bool
    mark: str
    record_mark: str


class InvocationReader:
    """Reads invocations of a job whose definition its caller knows."""

    def __init__(self, store: Store, job_id: str, definition: Definition) -> None:
        self._store = store
        self._link = store.link
        self._keys = store.keys
        self._lookup = InvocationLookup(store)
        self._job_id = job_id
        self._definition = definition

    def look(self, number: int) -> InvocationLook | None:
        """The invocation of this number; None when there is no trace of it. JobNotFoundError."""
        JobRows(self._store).fields(self._job_id)
        found = self._lookup.find(self._job_id, self._definition, number)
        kept = found or self._lookup.find_kept(self._job_id, self._definition, number)
        named, entries = self._history(number)
        with reading(f"invocation {number} of job {self._job_id}"):
            if kept is not None:
                named = InvocationName.parse(kept.invocation)
            if named is None:
                return None
            routine_id, slot = self._definition.place_of(named)
            record = b"" if kept is None else kept.record
            secret = self._secret(named)
            state, due = (InvocationState.ENDED, None) if found is None else self._state(named)
            if found is not None and found.expected:
                state, due, record = InvocationState.EXPECTED, self._expected_until(number), b""
            given = _given(record, named, entries, secret)
        digest = hashlib.sha256(record + state.encode())
        digest.update(entries[-1].id.encode() if entries else b"")
        return InvocationLook(
            number, routine_id, slot, state, due, given, secret, entries[-MOST_ENTRIES:],
            len(entries) > MOST_ENTRIES, digest.hexdigest()[:24], record_mark(record),
        )  # fmt: skip

    def _secret(self, named: InvocationName) -> frozenset[str]:
        if named.slot == CHILD_SLOT_INDEX:
            return frozenset()
        return self._definition.secret(named.routine, named.slot)

    def _history(self, number: int) -> tuple[InvocationName | None, list[HistoryEntry]]:
        """What the history tells of it, oldest first: one entry more than a look tells of."""
        key, end, own = self._keys.of("history", self._job_id), "+", f"{number}.".encode()
        named, found = None, list[HistoryEntry]()
        for _ in range(_PAGES):
            raws = self._link.call("XREVRANGE", key, end, "-", "COUNT", _PAGE)
            for raw in raws:
                name = name_in(raw)
                if name.startswith(own) and len(found) <= MOST_ENTRIES:
                    found.append(history_entry(raw, self._definition, self._job_id))
                    named = InvocationName.parse(name.decode())
            if len(raws) < _PAGE or len(found) > MOST_ENTRIES:
                break
            end = f"({raws[-1][0].decode()}"
        return named, found[::-1]

    def _expected_until(self, number: int) -> datetime | None:
        """When the time is over of an answer that is expected."""
        member = f"{self._job_id}/expect/{number}"
        due = self._link.call("ZSCORE", self._keys.of("timers"), member)
        return None if due is None else moment(int(float(due)))

    def _state(self, named: InvocationName) -> tuple[InvocationState, datetime | None]:
        """Where it is while it is outstanding."""
        if named.slot == CHILD_SLOT_INDEX:
            return InvocationState.CHILD, None
        parked = parked_list(self._store, self._job_id, self._definition, named.routine)
        member = in_job(self._job_id, str(named))
        due, push, place, stopped = self._link.many(
            [
                ("ZSCORE", self._keys.of("timers"), member),
                ("ZSCORE", self._keys.of("unclaimed", parked.lane), member),
                ("LPOS", parked.key, str(named)),
                ("ZSCORE", self._keys.of("stopped", self._job_id), str(named)),
            ]
        )
        # 0: it was let go.
        if stopped is not None and float(stopped) > 0:
            return InvocationState.STOPPED, None
        if due is not None:
            return InvocationState.TIMER, moment(int(float(due)))
        if push is not None:
            return InvocationState.QUEUED, None
        return (InvocationState.RUNNING if place is None else InvocationState.PARKED), None


def record_mark(record: bytes) -> str:
    """What tells a record from another one, and nothing else of it."""
    return hashlib.sha256(b"record" + record).hexdigest()[:24]


def name_in(raw: Sequence[Any]) -> bytes:
    """The invocation that an entry of a stream is about; empty when it is about none."""
    return _field(raw, b"t")


def kind_of(raw: Sequence[Any]) -> str:
    """The kind of an entry of the history."""
    return _field(raw, b"k").decode(errors="backslashreplace")


def _field(raw: Sequence[Any], name: bytes) -> bytes:
    # No value is as short as a name, but for the kind, which comes first and is none of them.
    fields: list[bytes] = raw[1]
    return fields[fields.index(name) + 1] if name in fields else b""


def _given(
    record: bytes, named: InvocationName, entries: Sequence[HistoryEntry], secret: frozenset[str]
) -> Given:
    if record.startswith(_JOINED):
        return Given(joins=True)
    if len(record) > _LARGE:
        return Given(large=True)
    emitter, params = None, None
    if record and named.slot != CHILD_SLOT_INDEX:
        emitter, params = read_invocation(record, f"the params of invocation {named.number}")
    else:
        # Small params of an attempt are kept in its entry, without secrets.
        params = next(
            (e.details["params"] for e in reversed(entries) if "params" in e.details), None
        )
    if params is not None:
        params = {name: HIDDEN if name in secret else value for name, value in params.items()}
    return Given(params, emitter)
