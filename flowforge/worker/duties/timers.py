"""Releasing retries whose delay is over."""

from __future__ import annotations

from flowforge.store.store import Store

#: Timers released by one call of the script, about 1 ms of the server's time.
_BATCH = 100


class TimerService:
    """Queues every invocation whose timer is due."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def run_once(self) -> int:
        """How many were released."""
        total = 0
        while True:
            released, _ = self._store.release_due(_BATCH)
            total += released
            # A released timer may have set another that is due at once.
            if released == 0:
                return total
