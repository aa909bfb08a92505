"""How often a visitor without a login may be wrong, until it is refused for a while."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

#: Wrong guesses of one address within so many seconds.
MOST = 20
PERIOD = 60.0

#: Addresses that are remembered, the latest.
_ADDRESSES = 10_000


class WrongGuesses:
    """Counts per address, in this process. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: Address -> when its period began, and how often it was wrong since.
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def too_many(self, address: str) -> bool:
        """Whether the address has to wait."""
        with self._lock:
            began, count = self._counts.get(address, (0.0, 0))
            return count >= MOST and time.monotonic() - began < PERIOD

    def add(self, address: str) -> None:
        """Note a wrong guess."""
        with self._lock:
            now = time.monotonic()
            began, count = self._counts.pop(address, (now, 0))
            self._counts[address] = (began, count + 1) if now - began < PERIOD else (now, 1)
            if len(self._counts) > _ADDRESSES:
                self._counts.popitem(last=False)
