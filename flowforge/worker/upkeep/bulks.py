"""Bulk operations on jobs, which go on when the caller is gone."""

from __future__ import annotations

from flowforge.store.store import Store

#: Calls in a row, each of up to 100 jobs and a few milliseconds of the server's time: with the
#: interval of the duty they leave four fifths of the server to the jobs.
_CALLS = 10


class BulkOperations:
    """Does the next pieces of the operations that are due, one after the other."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def run_once(self) -> int:
        """On how many jobs it has acted."""
        total = 0
        for _ in range(_CALLS):
            acted = self._store.bulks.step().acted
            total += acted
            if not acted:
                break
        return total
