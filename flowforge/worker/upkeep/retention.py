"""Forgetting jobs whose retention has passed."""

from __future__ import annotations

from flowforge.store.store import Store

#: Jobs forgotten by one call of the script, about 2 ms of the server's time; fewer where they have
#: much that all jobs share.
_BATCH = 100

#: Jobs of which one run looks whether they are still there, about 0.2 ms of the server's time.
_LOOK = 200


class Retention:
    """Removes from the indexes jobs that have expired, and those whose rows are lost.

    The keys of a job expire by themselves.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        #: From where on it is looked whether jobs are still there.
        self._cursor = "0"

    def run_once(self) -> int:
        """How many jobs were forgotten."""
        self._cursor = self._store.upkeep.forget_vanished(self._cursor, _LOOK)
        total = 0
        while forgotten := self._store.upkeep.prune(_BATCH):
            total += forgotten
        return total
