"""A cache that keeps what was used most recently."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """At most ``most`` values: the least recently used one goes first. Safe for threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Key, Value] = OrderedDict()
        self._latest: object = None
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> Value | None:
        """The value of a key, which is now the latest in use; None when it is not kept."""
        found = self._kept.get(key)
        # What is used again and again is at its place already.
        if found is not None and key != self._latest:
            self._use(key)
        return found

    def _use(self, key: Key) -> None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                self._latest = key

    def add(self, key: Key, value: Value) -> Value:
        """Keep a value, and return it; the one that is kept already when another was faster."""
        with self._lock:
            value = self._kept.setdefault(key, value)
            self._kept.move_to_end(key)
            self._latest = key
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return value
