"""The hooks of a fleet, as people look at them: how each is doing, and its deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flowforge.codec.binary import pack_record, unpack_record
from flowforge.errors import RecordError
from flowforge.model.hooks.hook_event import HookEvent
from flowforge.model.hooks.hooks import Hook
from flowforge.model.hooks.webhook import Webhook
from flowforge.store.fleet_reads.outbox import read_event
from flowforge.store.reading import moment, reading, typed, whole
from flowforge.store.store import Store

_FIELDS = ("success", "failing", "why", "delivered", "lost", "worker", "until")


@dataclass(frozen=True)
class HookReport:
    """One hook. Times are aware, UTC; None: never.

    ``kind``: ``function`` or ``webhook``; ``place``: the function, or the URL without its path;
    ``flow_id``: None for all. ``seen_at``: when a worker last had it. ``worker``: which delivers
    now. ``why``: of the latest attempt that failed, while ``failing_since`` says that none has
    succeeded since. ``lost``: events that were dropped before they were delivered. ``waiting`` and
    ``dead``: deliveries; ``unread``: events of which there are no deliveries yet, of all hooks.
    """

    name: str
    kind: str
    place: str
    events: tuple[str, ...]
    flow_id: str | None
    seen_at: datetime
    worker: str | None
    last_success_at: datetime | None
    failing_since: datetime | None
    why: str | None
    delivered: int
    lost: int
    waiting: int
    dead: int
    unread: int


@dataclass(frozen=True)
class DeliveryReport:
    """A delivery of a hook. ``next_at``: None of a dead one. ``why``: the latest attempt failed."""

    id: str
    event: HookEvent
    attempts: int
    next_at: datetime | None
    why: str | None


def describe_hook(hook: Hook) -> bytes:
    """A hook as a worker declares it."""
    kind = "webhook" if isinstance(hook.target, Webhook) else "function"
    return pack_record(kind, hook.place, sorted(one.value for one in hook.events), hook.flow)


class HookReports:
    """Reads one installation."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._of = store.keys.of

    def read(self, unreadable: list[RecordError] | None = None) -> list[HookReport]:
        """All hooks by name. ``unreadable`` gets the errors of those that cannot be read."""
        reply = self._link.call("HGETALL", self._of("hooks"))
        found = []
        for raw, declared in sorted(zip(reply[::2], reply[1::2], strict=True)):
            try:
                found.append(self._report(raw.decode(errors="backslashreplace"), declared))
            except RecordError as error:
                if unreadable is not None:
                    unreadable.append(error)
        return found

    def _report(self, name: str, declared: bytes) -> HookReport:
        places = self._of("hook_places")
        state, waiting, dead, places_found, now = self._link.many(
            [
                ("HMGET", self._of("hook", name), *_FIELDS),
                ("ZCARD", self._of("delivery_times", name)),
                ("ZCARD", self._of("dead_deliveries", name)),
                ("HMGET", places, name, "#"),
                ("TIME",),
            ]
        )
        what = f"the hook {name}"
        with reading(what):
            seen, _, record = declared.partition(b" ")
            kind, place, events, flow = unpack_record(record, what, 4)
            success, failing, why, delivered, lost, worker, until = state
            held = whole(until or 0) > int(now[0]) * 1000
            own, latest = (whole(number or 0) for number in places_found)
            return HookReport(
                name, typed(kind, str), typed(place, str),
                tuple(typed(event, str) for event in typed(events, list)),
                typed(flow, str, type(None)), moment(whole(seen)),
                _text(worker) if held else None, _time(success), _time(failing), _text(why),
                whole(delivered or 0), whole(lost or 0), waiting, dead, max(0, latest - own),
            )  # fmt: skip

    def deliveries(self, name: str, most: int) -> list[DeliveryReport]:
        """Deliveries of a hook, ``most`` of each kind: those that wait by time, then the dead ones,
        the latest first. What cannot be read is left out.
        """
        waiting, dead = self._link.many(
            [
                ("ZRANGE", self._of("delivery_times", name), 0, most - 1, "WITHSCORES"),
                ("ZRANGE", self._of("dead_deliveries", name), 0, most - 1, "REV"),
            ]
        )
        times = dict(zip(waiting[::2], waiting[1::2], strict=True))
        ids: Sequence[bytes] = [*times, *dead]
        if not ids:
            return []
        fields = [prefix + one for one in ids for prefix in (b"r", b"s", b"w")]
        found = self._link.call("HMGET", self._of("deliveries", name), *fields)
        reports = []
        for at, one in enumerate(ids):
            try:
                record, state, why = found[3 * at : 3 * at + 3]
                reports.append(_delivery(one.decode(), record, state, why, times.get(one)))
            except RecordError:
                continue
        return reports

    def test_answer(self, name: str, delivery_id: str) -> tuple[bool, str] | None:
        """How a test went, and what the receiver answered or what failed; None: not ended yet."""
        raw = self._link.call("HGET", self._of("hook", name), "test")
        found, good, answer = [*(raw or b"").split(b" ", 2), b"", b""][:3]
        if found.decode(errors="replace") != delivery_id:
            return None
        return good == b"1", answer.decode(errors="backslashreplace")


def _delivery(
    delivery_id: str, record: bytes | None, state: bytes | None, why: bytes | None, at: Any
) -> DeliveryReport:
    event = read_event(delivery_id, record or b"")
    with reading(f"the delivery {delivery_id}"):
        begun = whole((state or b"0").split(b" ")[0])
        due = None if at is None else moment(int(float(at)))
        return DeliveryReport(delivery_id, event, begun, due, _text(why))


def _time(raw: bytes | None) -> datetime | None:
    return None if raw is None else moment(whole(raw))


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode(errors="backslashreplace")
