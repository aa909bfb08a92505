"""Releasing retries whose delay is over."""

from __future__ import annotations

from flowforge.store.store import Store

#: Timers released by one call of the script, about 1 ms of the server's time.
_BATCH = 100

#: Calls in a row, so that other duties get their turn.
_CALLS = 100


class Timers:
    """Queues every invocation whose timer is due."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def run_once(self) -> int:
        """How many were released."""
        total = 0
        for _ in range(_CALLS):
            released = self._store.upkeep.release_due(_BATCH)
            total += released
            # A released timer may have set another that is due at once.
            if released == 0:
                break
        return total
