"""Taking back the work of processes that died."""

from __future__ import annotations

import logging

from flowforge.store.store import Store

logger = logging.getLogger(__name__)

#: Leases handled by one call of the script, about 2 ms of the server's time.
_BATCH = 100


class Reclaimer:
    """Requeues invocations whose lease expired; quarantines those that keep losing workers."""

    def __init__(self, store: Store, max_deliveries: int) -> None:
        self._store = store
        self._max_deliveries = max_deliveries

    def run_once(self) -> int:
        """How many leases were taken back."""
        total = 0
        while True:
            requeued, quarantined, dropped = self._store.reclaim(self._max_deliveries, _BATCH)
            total += requeued + quarantined + dropped
            if requeued or quarantined:
                logger.warning("reclaimed %d, quarantined %d invocations", requeued, quarantined)
            if requeued + quarantined + dropped < _BATCH:
                return total
