"""The home server of limits: each counts there alone, so all jobs with limits live there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Generic, TypeVar

from flowforge.store.fleet_reads.placement import weight
from flowforge.store.store import Store

E = TypeVar("E")

#: Seconds for which what was found is not asked for again.
_KEPT = 30.0

#: The name of which the home is the hash, where no server has limits yet.
_NAME = "limits"


class LimitHome(Generic[E]):
    """Finds the server of the limits among several, of which each has a store to ask.

    It is the one on which limits are kept already; where none are, the home of a fixed name. So it
    stays the same when servers are added.
    """

    def __init__(self, stores: Mapping[E, Store]) -> None:
        self._stores = stores
        self._found: tuple[float, E] | None = None

    def find(self) -> E:
        """The server; StoreUnavailableError while one does not answer that may be it."""
        if len(self._stores) == 1:
            return next(iter(self._stores))
        now = time.monotonic()
        if self._found is None or now - self._found[0] > _KEPT:
            self._found = now, self._look()
        return self._found[1]

    def _look(self) -> E:
        # Two may have them when fleets with limits were joined: then all processes choose the same.
        ordered = sorted(
            self._stores.items(), key=lambda one: weight(one[1].server_name, _NAME), reverse=True
        )
        for place, store in ordered:
            if store.limits.are_kept():
                return place
        return ordered[0][0]
