"""Saying that this worker is there, what it consumes and which routines it knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowforge.codec import pack_record, unpack_record
from flowforge.store.store import Store

#: Seconds without a report after which a worker counts as gone: three reports are missing.
STALE = 15

#: Seconds until a worker that stopped reporting is forgotten.
FORGOTTEN = 120


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
            if now - unpack_record(record, f"report of worker {name!r}", 2)[0] > FORGOTTEN
        ]
        if silent:
            self._store.link.call("HDEL", key, *silent)
        return len(silent)


class Presence:
    """Writes one record per worker: seconds (server time) and facts."""

    def __init__(self, store: Store, name: str, facts: Callable[[], dict[str, Any]]) -> None:
        self._store = store
        self._name = name
        self._facts = facts

    def run_once(self) -> int:
        key = self._store.keys.of("workers")
        now = int(self._store.link.call("TIME")[0])
        record = pack_record(now, self._facts())
        self._store.link.many([("HSET", key, self._name, record), ("EXPIRE", key, FORGOTTEN)])
        return now

    def withdraw(self) -> None:
        """Take the record back at an orderly stop."""
        self._store.link.call("HDEL", self._store.keys.of("workers"), self._name)
