"""Saying that this worker is there, what it consumes and which routines it knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowforge.codec import pack_record, unpack_record
from flowforge.errors import CorruptRecordError, NewerRecordError
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
            self._store.tell_damaged("workers", name, str(error))
            return True
        return not isinstance(at, int) or now - at > FORGOTTEN


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
