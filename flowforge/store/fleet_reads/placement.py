"""Which of several servers a job lives on.

A job's id begins with the name that its server gave itself, so no list of servers has to be kept in
any order, and a server can move to another address.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Generic, TypeVar

from flowforge.errors import StoreUnavailableError
from flowforge.store.store import Store

T = TypeVar("T")

#: Seconds that a server is asked where a job is: long enough for a new connection after a restart,
#: and short, because the job may be on another one.
PATIENCE = 0.5


def weight(server_name: str, name: str) -> bytes:
    """By which servers are compared; the highest one is the home of the name."""
    return hashlib.sha256(f"{server_name}/{name}".encode()).digest()


class Placement(Generic[T]):
    """What there is one of for each server, found by a job's id.

    The stores are for asking only; their links need no more than ``PATIENCE``.
    """

    def __init__(self, places: Sequence[tuple[Store, T]]) -> None:
        self._places = list(places)
        self._by_name: dict[str, T] = {}

    def of(self, job_id: str) -> T:
        """Return the place of the job's server, or the first place if no server has the job.

        A server that does not answer may have the job: then its place is returned.
        """
        if len(self._places) == 1:
            return self._places[0][1]
        found = self._by_name.get(job_id.partition("-")[0])
        return self._look(job_id) if found is None else found

    def _look(self, job_id: str) -> T:
        silent = self._ask_names()
        name, _, rest = job_id.partition("-")
        if rest and name in self._by_name:
            return self._by_name[name]
        # An id of before there were several servers, or a server that lost its name with its data.
        for store, place in self._places:
            try:
                if store.knows(job_id):
                    return place
            except StoreUnavailableError:
                silent = place
        return self._places[0][1] if silent is None else silent

    def _ask_names(self) -> T | None:
        """Learn the names that are not known yet; returns one that does not answer, if any."""
        silent = None
        for store, place in self._places:
            try:
                _ = store.server_name
            except StoreUnavailableError:
                silent = place
        named = [(store.server_name, place) for store, place in self._places if store.named]
        # A server set up with a copy of another's data has its name too: both have to be asked.
        count = Counter(name for name, _ in named)
        self._by_name = {name: place for name, place in named if count[name] == 1}
        return silent
