"""Saying that this worker is there, what it consumes and which routines it knows."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

from flowforge.codec.binary import pack_record, unpack_record
from flowforge.errors import CorruptRecordError, NewerRecordError, RecordError
from flowforge.store.lease_tokens import next_token
from flowforge.store.store import Store
from flowforge.store.worker_reports import FORGOTTEN, STALE

logger = logging.getLogger(__name__)

#: Facts of a report: the messages that the worker holds back, and what tells it from others.
_HELD, _MARK = "held", "mark"


class Absence:
    """Forgets the records of workers that have stopped reporting."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def run_once(self) -> int:
        """How many were forgotten."""
        key = self._store.keys.of("workers")
        now = int(self._store.link.call("TIME")[0])
        reply = self._store.link.call("HGETALL", key)
        silent = [
            name
            for name, record in zip(reply[::2], reply[1::2], strict=True)
            if self._silent(name, record, now)
        ]
        if silent:
            self._store.link.call("HDEL", key, *silent)
        return len(silent)

    def _silent(self, name: bytes, record: bytes, now: int) -> bool:
        try:
            at = unpack_record(record, f"report of worker {name!r}", 2)[0]
        except NewerRecordError:
            return False
        except CorruptRecordError as error:
            self._store.upkeep.tell_damaged("workers", name, str(error))
            return True
        return not isinstance(at, int) or now - at > FORGOTTEN


class Presence:
    """Writes one record per worker: seconds (server time) and facts.

    ``held``: the invocations, as ``job/invocation``, that the worker holds back for a rate limit.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        facts: Callable[[], dict[str, Any]],
        held: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._store = store
        self._name = name
        self._facts = facts
        self.held = held
        #: What tells this worker from another of its name.
        self._mark = next_token()
        self._written = self._warned = False

    def run_once(self) -> int:
        key = self._store.keys.of("workers")
        now = int(self._store.link.call("TIME")[0])
        facts = {**self._facts(), _HELD: list(self.held()), _MARK: self._mark}
        record = pack_record(now, facts)
        former, *_ = self._store.link.many(
            [
                ("HGET", key, self._name),
                ("HSET", key, self._name, record),
                ("EXPIRE", key, FORGOTTEN),
            ]
        )
        # Before its own first report it may be that of a worker which has been replaced.
        if self._written and self._of_another(former):
            self._warn()
        self._written = True
        return now

    def withdraw(self) -> None:
        """Take the record back at an orderly stop."""
        key = self._store.keys.of("workers")
        if not self._of_another(self._store.link.call("HGET", key, self._name)):
            self._store.link.call("HDEL", key, self._name)

    def _of_another(self, record: bytes | None) -> bool:
        try:
            facts = None if record is None else unpack_record(record, "a worker's report", 2)[1]
        except RecordError:
            return False
        return isinstance(facts, dict) and facts.get(_MARK) not in (None, self._mark)

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                "another worker reports under the name of this one, %s, so only one of them is "
                "seen: give each its own, as with -n worker1@%%h",
                self._name,
            )


class Holding:
    """Reports more often while the worker holds messages back."""

    def __init__(self, presence: Presence) -> None:
        self._presence = presence

    def run_once(self) -> int:
        """How many messages are held."""
        held = len(self._presence.held())
        if held:
            self._presence.run_once()
        return held


def held_messages(store: Store) -> set[bytes]:
    """The invocations, as ``job/invocation``, that live workers hold back for a rate limit."""
    now = int(store.link.call("TIME")[0])
    held: set[bytes] = set()
    for record in store.link.call("HVALS", store.keys.of("workers")):
        # A damaged report holds nothing back.
        with contextlib.suppress(RecordError, AttributeError, TypeError):
            seconds, facts = unpack_record(record, "a worker's report", 2)
            if now - seconds <= STALE:
                held.update(member.encode() for member in facts.get(_HELD, ()))
    return held
