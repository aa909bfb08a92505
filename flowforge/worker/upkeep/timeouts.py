"""Attempts whose time is over."""

from __future__ import annotations

from collections.abc import Callable

from flowforge.store.fleet_reads.overdue import OverdueAttempts, TimedOut
from flowforge.store.store import Store
from flowforge.worker.upkeep.log_lines import timed_out

#: Attempts that are ended in a row, so that other duties get their turn; as many leases are taken
#: by one call of the script.
_CALLS, _BATCH = 20, 50


class Timeouts:
    """Ends attempts that run for longer than their timeout, as their error handlers say.

    ``lease``: seconds. ``note``: has such an attempt counted.
    """

    def __init__(
        self, store: Store, lease: float, note: Callable[[TimedOut], None] = lambda one: None
    ) -> None:
        self._overdue = OverdueAttempts(store, lease)
        self._note = note

    def run_once(self) -> int:
        """How many were ended."""
        total = 0
        for _ in range(_CALLS):
            ended = self._overdue.end(_BATCH)
            for one in ended:
                self._note(one)
            timed_out(ended)
            total += len(ended)
            if len(ended) < _BATCH:
                break
        return total
