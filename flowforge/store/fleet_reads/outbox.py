"""What happened that hooks hear of, as one hook reads it, and its deliveries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from flowforge.codec.binary import pack_record, unpack_record
from flowforge.errors import RecordError
from flowforge.model.hooks.hook_event import HookError, HookEvent
from flowforge.model.invocation_id import InvocationName
from flowforge.model.jobs.error_group import group_id
from flowforge.store.reading import moment, reading, typed, whole
from flowforge.store.store import Store

#: Lines that are read at once: 4 ms of the server when each becomes a delivery of its own.
MOST_LINES = 200

#: Deliveries that are read at once.
MOST_DUE = 20


#: What of a line tells its group of errors.
_CAUSE = ("flow", "routine", "type", "at")


class OutboxLine(NamedTuple):
    """Something that happened once. ``happened``: a key of ``TYPES_OF``."""

    happened: str
    flow_id: str
    job_id: str
    routine_id: str
    invocation: int | None
    error: HookError
    at: datetime


class OutboxPage(NamedTuple):
    """``behind``: the place behind the lines; ``lost``: lines that were dropped or are damaged."""

    lines: list[OutboxLine]
    behind: int
    lost: int


class Waiting(NamedTuple):
    """A delivery whose time has come. ``attempts``: that have begun."""

    id: str
    attempts: int
    event: HookEvent | None


class Outbox:
    """The outbox of one installation."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._of = store.keys.of

    def read(self, place: int) -> OutboxPage:
        """The lines from a place on, at most ``MOST_LINES``."""
        latest, entries = self._link.many(
            [
                ("HGET", self._of("hook_places"), "#"),
                ("XRANGE", self._of("outbox"), f"({place}-1", "+", "COUNT", MOST_LINES),
            ]
        )
        if not entries:
            behind = max(place, int(latest or 0))
            return OutboxPage([], behind, behind - place)
        lines = [line for entry in entries if (line := _line(entry)) is not None]
        behind = int(entries[-1][0].partition(b"-")[0])
        return OutboxPage(lines, behind, behind - place - len(lines))

    def due(self, name: str) -> list[Waiting]:
        """Deliveries of a hook whose time has come, at most ``MOST_DUE``, the most urgent first."""
        seconds, micros = self._link.call("TIME")
        now = int(seconds) * 1000 + int(micros) // 1000
        times, hashes = self._of("delivery_times", name), self._of("deliveries", name)
        ids = self._link.call("ZRANGEBYSCORE", times, "-inf", now, "LIMIT", 0, MOST_DUE)
        if not ids:
            return []
        fields = [prefix + one for one in ids for prefix in (b"r", b"s")]
        found = self._link.call("HMGET", hashes, *fields)
        return [
            Waiting(one.decode(), _begun(state), _event(one.decode(), record))
            for one, record, state in zip(ids, found[::2], found[1::2], strict=True)
        ]

    def without_attempt(self, name: str, causes: Sequence[str]) -> dict[str, HookEvent]:
        """Cause -> the event that is to be delivered for it and has had no attempt yet."""
        hashes = self._of("deliveries", name)
        ids = self._link.call("HMGET", hashes, *(f"o{cause}" for cause in causes))
        known = [(cause, one) for cause, one in zip(causes, ids, strict=True) if one is not None]
        if not known:
            return {}
        records = self._link.call("HMGET", hashes, *(b"r" + one for _, one in known))
        found = {}
        for (cause, one), record in zip(known, records, strict=True):
            event = _event(one.decode(), record)
            if event is not None:
                found[cause] = event
        return found


def pack_event(event: HookEvent) -> bytes:
    """An event as it is stored, without its id."""
    error = event.error
    return pack_record(
        event.type, event.flow_id, event.job_id, event.routine_id, event.invocation,
        [error.type, error.message, error.at, error.fingerprint], event.count,
        list(event.job_ids), _ms(event.first_at), _ms(event.last_at),
    )  # fmt: skip


def read_event(event_id: str, packed: bytes) -> HookEvent:
    """An event of its record; CorruptRecordError or NewerRecordError."""
    what = f"the delivery {event_id}"
    with reading(what):
        kind, flow, job, routine, invocation, error, count, jobs, first, last = unpack_record(
            packed, what, 10
        )
        kind, flow, job, routine = _texts([kind, flow, job, routine])
        return HookEvent(
            event_id, kind, flow, job, routine, typed(invocation, int, type(None)),
            HookError(*_texts(error)),
            typed(count, int), tuple(_texts(jobs)), moment(first), moment(last),
        )  # fmt: skip


def _event(event_id: str, packed: bytes | None) -> HookEvent | None:
    try:
        return read_event(event_id, packed or b"")
    except RecordError:
        return None


def _line(entry: Any) -> OutboxLine | None:
    """A line; None for one that cannot be read."""
    try:
        with reading("a line of the outbox"):
            found = {
                name.decode(): value.decode()
                for name, value in zip(entry[1][::2], entry[1][1::2], strict=True)
            }
            flow, routine, kind, place = (found[name] for name in _CAUSE)
            error = HookError(kind, found["message"], place, group_id(flow, routine, kind, place))
            invocation, at = found["invocation"], moment(whole(found["ms"]))
            number = InvocationName.parse(invocation).number if invocation else None
            return OutboxLine(found["what"], flow, found["job"], routine, number, error, at)
    except RecordError:
        return None


def _begun(state: bytes | None) -> int:
    try:
        return whole((state or b"0").split(b" ")[0])
    except ValueError:
        return 0


def _texts(values: Any) -> Iterable[str]:
    return (typed(value, str) for value in typed(values, list))


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
