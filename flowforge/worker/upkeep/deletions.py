"""Removing what was too large to be removed by the script that ended it."""

from __future__ import annotations

from flowforge.store.store import Store

#: Fields removed by one call of the script, about 0.5 ms of the server's time.
_BATCH = 500

#: Calls in a row, so that other duties get their turn.
_CALLS = 100


class Deletions:
    """Deletes what is too large for one script, piece by piece."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def run_once(self) -> int:
        """How many pieces were removed."""
        pieces = 0
        while pieces < _CALLS and self._store.upkeep.delete(_BATCH):
            pieces += 1
        return pieces
