"""The upkeep of a fleet, done inside the workers by one of them at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from flowforge.errors import CommandRefusedError, LoginRefusedError, StoreUnavailableError
from flowforge.store.lease_tokens import next_token
from flowforge.store.server.outage import outage_of
from flowforge.store.store import Store

logger = logging.getLogger(__name__)

#: Seconds that the lead is held without renewal: how long upkeep rests when the leader dies.
LEAD = 6.0

#: Seconds between two tries of a follower to take the lead.
FOLLOW = 2.0

#: Seconds after which a duty that has failed is tried again, at most: one that is seldom due would
#: be missing for hours.
AGAIN = 60.0

#: Seconds between two tries of a login that the server refuses, at most: else every worker of a
#: fleet would ask several times a second.
LONGEST_REST = 8.0


class Duty(Protocol):
    """One kind of work of the upkeep."""

    def run_once(self) -> object: ...


@dataclass
class Scheduled:
    """A duty and when it is due. ``interval``: seconds."""

    duty: Duty
    interval: float
    #: False: every worker does it, not only the leader.
    leader_only: bool = True
    next_run: float = 0.0


class Upkeep:
    """A thread that runs duties; those of the leader only while this process leads."""

    def __init__(self, store: Store, scheduled: Sequence[Scheduled]) -> None:
        self._store = store
        self._scheduled = list(scheduled)
        self._candidate = next_token()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lead_until = 0.0
        self._next_try = 0.0
        self._last_tick = time.monotonic()
        #: Why the server serves no writes now, as far as the log says.
        self._outages: set[object] = set()
        #: What the user may not do, and why.
        self._forbidden: dict[Callable[[], object], str] = {}
        #: Whether an outage was met in this tick.
        self._met_outage = False
        #: Whether the server has refused the login in this turn.
        self._refused = False

    @property
    def leads(self) -> bool:
        """Whether this process leads."""
        return time.monotonic() < self._lead_until

    @property
    def age(self) -> float:
        """Seconds since the latest turn began."""
        return time.monotonic() - self._last_tick

    def start(self) -> None:
        self._thread = threading.Thread(target=self._loop, name="flowforge-upkeep", daemon=True)
        self._thread.start()

    def stop(self, *, resign: bool = True) -> None:
        """End the thread and hand the lead over at once; without ``resign`` it has to expire."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)
        if self._lead_until and resign:
            self._safely(self._resign)

    def _loop(self) -> None:
        shortest = min(FOLLOW, *(one.interval for one in self._scheduled))
        # The first turn is at once: others ask for the worker's report as soon as it takes work.
        rest = self._turn(shortest, shortest)
        while not self._stop.wait(rest):
            rest = self._turn(rest, shortest)

    def _turn(self, rest: float, shortest: float) -> float:
        """Do what is due; the seconds until the next turn."""
        self._refused = False
        self._safely(self.tick)
        return min(2 * rest, LONGEST_REST) if self._refused else shortest

    def _safely(self, action: Callable[[], object]) -> bool:
        """Whether it was done. The upkeep must outlive everything, outages above all; each of them
        is logged once.
        """
        try:
            action()
        except StoreUnavailableError as error:
            self._met_outage = True
            self._refused = self._refused or isinstance(error, LoginRefusedError)
            # Its text tells which script was refused as well.
            reason = outage_of(error.__cause__) or str(error)
            if reason not in self._outages:
                logger.warning("upkeep waits: %s", error)
            self._outages.add(reason)
        except CommandRefusedError as error:
            if str(error) not in self._forbidden.values():
                logger.warning("upkeep waits: %s", error)
            self._forbidden[action] = str(error)
        except Exception:
            logger.exception("upkeep failed, trying again")
        else:
            self._forbidden.pop(action, None)
            return True
        return False

    def tick(self) -> None:
        """Run every duty that is due."""
        self._met_outage = False
        self._last_tick = time.monotonic()
        self._run_due()
        if self._outages and not self._met_outage:
            self._safely(self._end_outages)

    def _end_outages(self) -> None:
        # A duty that had nothing to write says nothing of whether the server takes writes.
        self._store.check_writes()
        self._outages.clear()

    def _run_due(self) -> None:
        for one in self._scheduled:
            now = time.monotonic()
            if now < one.next_run:
                continue
            # Asked before each: the one before may have taken longer than the lead lasts.
            if one.leader_only and not self._leads(now):
                continue
            one.next_run = now + one.interval
            # One that fails must not keep the others from their turn.
            if not self._safely(one.duty.run_once):
                one.next_run = now + min(one.interval, AGAIN)
            if self._refused:
                return

    def _leads(self, now: float) -> bool:
        if now >= self._next_try:
            self._next_try = now + FOLLOW
            won = self._store.upkeep.lead(self._candidate, int(LEAD * 1000))
            self._lead_until = now + LEAD if won else 0.0
        return now < self._lead_until

    def _resign(self) -> None:
        self._store.upkeep.resign(self._candidate)
