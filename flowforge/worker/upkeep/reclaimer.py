"""Taking back the work of processes that died."""

from __future__ import annotations

import time
from collections.abc import Callable

from flowforge.store.store import Store
from flowforge.store.transitions.upkeep import Lost
from flowforge.worker.upkeep.log_lines import PlaceOf, reclaimed, unplaced

#: Leases handled by one call of the script, about 2 ms of the server's time.
_BATCH = 100


class Reclaimer:
    """Requeues invocations whose lease expired; quarantines those that keep losing workers.

    A lease that ran out while no worker could renew it, for the server was away or refused writes,
    says nothing of its worker. So after a time without a look, or before the first one, everybody
    has the ``grace`` to renew. A server that refuses renewals refuses the look as well, so that an
    outage for writes alone is such a time. ``store`` must not wait over one, however short: a look
    that began before it would take leases at its end. ``lease``, ``interval`` of the looks,
    ``grace`` (a heartbeat): seconds.

    ``place_of``: for the log. ``note``: has a lost attempt counted.
    """

    def __init__(
        self,
        store: Store,
        max_losses: int,
        place_of: PlaceOf = unplaced,
        *,
        lease: float = 0.0,
        interval: float = 0.0,
        grace: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        note: Callable[[Lost], None] = lambda lost: None,
    ) -> None:
        self._store = store
        self._max_losses = max_losses
        self._place_of = place_of
        self._lease_ms = int(lease * 1000)
        #: Between looks that are further apart an outage could let a lease run out unseen.
        self._longest_gap = min(2 * interval, lease - grace) if lease else 2 * interval
        self._grace = grace
        self._clock = clock
        self._note = note
        #: When the server last took renewals, and until when the grace lasts.
        self._looked = float("-inf")
        self._grace_until: float | None = None

    def run_once(self) -> int:
        """How many leases were taken back."""
        if self._grace and self._in_grace():
            return 0
        total = 0
        lost: list[Lost] = []
        while True:
            # A look that is refused is none, however soon the next one follows.
            self._looked = float("-inf")
            found = self._store.upkeep.reclaim(self._max_losses, _BATCH, self._lease_ms)
            self._looked = self._clock()
            lost += found.lost
            for one in found.lost:
                self._note(one)
            total += sum(found.counts)
            if sum(found.counts) < _BATCH:
                break
        reclaimed(lost, self._max_losses, self._place_of)
        return total

    def _in_grace(self) -> bool:
        now = self._clock()
        if self._grace_until is None and now - self._looked > self._longest_gap:
            # Counted from when it takes renewals again, as a full server does.
            self._store.invocations.heartbeat(self._lease_ms, [])
            self._grace_until = self._clock() + self._grace
        if self._grace_until is None:
            return False
        if now < self._grace_until:
            return True
        # Over, once: a leader that is always late must get on as well.
        self._grace_until = None
        return False
