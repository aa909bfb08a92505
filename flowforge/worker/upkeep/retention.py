"""Forgetting jobs whose retention has passed."""

from __future__ import annotations

from flowforge.store.store import Store

#: Jobs forgotten by one call of the script, about 2 ms of the server's time.
_BATCH = 200


class Retention:
    """Removes expired jobs from the indexes; their own keys expire by themselves."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def run_once(self) -> int:
        """How many jobs were forgotten."""
        total = 0
        while True:
            forgotten = self._store.upkeep.prune(_BATCH)
            total += forgotten
            if forgotten < _BATCH:
                return total
