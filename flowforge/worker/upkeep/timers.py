"""Timers that are due."""

from __future__ import annotations

from flowforge.store.store import Store

#: Timers handled by one call of the script: 2.3 ms of the server's time when each starts a job.
_BATCH = 64

#: Calls in a row, so that other duties get their turn.
_CALLS = 100


class Timers:
    """Does what each due timer is for: ``store/lua/include/timer_kinds.lua`` has the kinds."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def run_once(self) -> int:
        """How many were due."""
        total = 0
        for _ in range(_CALLS):
            due = self._store.upkeep.release_due(_BATCH)
            total += due
            # A timer may have set another that is due at once.
            if due == 0:
                break
        return total
