"""Finding messages that were popped from the broker but never claimed.

kombu pops a message before anything else knows of it, so a worker that dies in between takes it
along. Every push has a number of its list, ascending; the lists are served in order, so whatever is
unclaimed and older than a list's tail has been popped. What stays so for the grace period is pushed
again: the worker that popped it is dead, or busy with something long. A message that
waits in a worker for a rate limit is not lost.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable

from flowforge.errors import CommandRefusedError
from flowforge.model.invocation_id import JOB_ID, NUMBER
from flowforge.store.fleet_reads.broker_lists import BrokerLists
from flowforge.store.fleet_reads.worker_reports import WorkerReports
from flowforge.store.store import Store
from flowforge.store.transitions.queue_pauses import PAUSED
from flowforge.store.transitions.upkeep import Pushed, Resent
from flowforge.worker.upkeep.log_lines import PlaceOf, pushed_again, unplaced

#: Members pushed again by one call of the script, about 1 ms of the server's time.
_BATCH = 100

#: Items of a shared list that are searched, from its tail, for a message of FlowForge.
_SEARCH = 2000

_NOTHING = Resent((0, 0, 0), [])

_PUSH_NUMBER = re.compile(rf'"delivery_tag": "{JOB_ID}-{NUMBER}-({NUMBER})"\}}\}}$'.encode())


class Resender:
    """Pushes lost messages again. Keeps what it saw in memory: a new leader starts a new grace."""

    def __init__(
        self,
        store: Store,
        grace: float,
        clock: Callable[[], float] = time.monotonic,
        place_of: PlaceOf = unplaced,
    ) -> None:
        self._store = store
        self._lists = BrokerLists(store)
        self._reports = WorkerReports(store)
        self._grace = grace
        self._clock = clock
        self._place_of = place_of
        #: Per list: (when, everything below this number had been popped by then).
        self._seen: dict[str, deque[tuple[float, int]]] = {}

    def run_once(self) -> int:
        """How many messages were found lost."""
        found = 0
        # The numbers are read before the lists: a push in between must not look popped.
        for name, latest in self._lists.latest_numbers():
            try:
                found += self._check_list(name.decode(), int(latest))
            except ValueError as error:
                self._lists.mend_number(name)
                self._store.upkeep.tell_damaged("seq", name, str(error))
            except CommandRefusedError as error:
                # Not the kind of key that a list is; the others have their turn all the same.
                self._store.upkeep.tell_damaged("seq", name, str(error))
        return found

    def _check_list(self, name: str, latest: int) -> int:
        if latest >= PAUSED:
            # Its queue is paused: what is unclaimed is put aside.
            self._seen.pop(name, None)
            return 0
        popped = self._popped_below(name, latest)
        if popped is None:
            return 0
        return self._resend(name, min(self._remember(name, popped), latest + 1))

    def _popped_below(self, name: str, latest: int) -> int | None:
        """Every number below the result has left the list; None when it is not known."""
        searched = 0
        for item in self._lists.oldest_first(name, _SEARCH):
            if match := _PUSH_NUMBER.search(item):
                return int(match[1])
            searched += 1
        # With the whole list searched, none of ours is left on it.
        return latest + 1 if searched < _SEARCH else None

    def _remember(self, name: str, popped: int) -> int:
        """The newest mark that is older than the grace period (0: none yet)."""
        now = self._clock()
        marks = self._seen.setdefault(name, deque([(now, 0)]))
        if popped < marks[-1][1]:
            # An older message came back to the tail, or the numbers began again: start over.
            marks.clear()
        marks.append((now, popped))
        while len(marks) > 1 and marks[1][0] <= now - self._grace:
            marks.popleft()
        return marks[0][1] if marks[0][0] <= now - self._grace else 0

    def _resend(self, name: str, below: int) -> int:
        if not below:
            return 0
        pushed: list[Pushed] = []
        total = self._resend_all(name, below, pushed)
        pushed_again(pushed, name, self._place_of)
        return total

    def _resend_all(self, name: str, below: int, pushed: list[Pushed]) -> int:
        """How many were found lost; ``pushed`` gets those that were pushed."""
        total = skipped = 0
        rate_limited: set[bytes] | None = None
        while True:
            unclaimed = self._lists.unclaimed(name, below, skipped, _BATCH)
            if not unclaimed:
                return total
            if rate_limited is None:
                rate_limited = self._reports.rate_limited_messages()
            lost = [one for one in unclaimed if one.member not in rate_limited]
            skipped += len(unclaimed) - len(lost)
            found = self._store.upkeep.resend(name, lost) if lost else _NOTHING
            total += sum(found.counts)
            pushed += found.pushed
            stuck = bool(lost) and not any(found.counts)
            if len(unclaimed) < _BATCH or stuck:
                return total
