"""The upkeep of an installation, done inside the workers by one of them at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from flowforge.errors import StoreUnavailableError
from flowforge.store.store import Store
from flowforge.worker.tokens import next_token

logger = logging.getLogger(__name__)

#: Seconds that the lead is held without renewal: how long upkeep rests when the leader dies.
LEAD = 6.0

#: Seconds between two tries of a follower to take the lead.
FOLLOW = 2.0


class Service(Protocol):
    """One duty of the upkeep."""

    def run_once(self) -> object: ...


@dataclass
class Duty:
    """A service and when it is due. ``interval``: seconds."""

    service: Service
    interval: float
    #: False: every worker does it, not only the leader.
    leader_only: bool = True
    next_run: float = 0.0


class Maintenance:
    """A thread that runs duties; those of the leader only while this process leads."""

    def __init__(self, store: Store, duties: Sequence[Duty]) -> None:
        self._store = store
        self._duties = list(duties)
        self._candidate = next_token()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lead_until = 0.0
        self._next_try = 0.0
        #: What the server does not take now.
        self._waiting: set[Callable[[], object]] = set()

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
        shortest = min(duty.interval for duty in self._duties)
        while not self._stop.wait(min(shortest, FOLLOW)):
            self._safely(self.tick)

    def _safely(self, action: Callable[[], object]) -> None:
        """The upkeep must outlive everything, outages above all; one of them is told once."""
        try:
            action()
        except StoreUnavailableError as error:
            if action not in self._waiting:
                self._waiting.add(action)
                logger.warning("upkeep waits: %s", error)
        except Exception:
            logger.exception("upkeep failed, trying again")
        else:
            self._waiting.discard(action)

    def tick(self) -> None:
        """Run every duty that is due."""
        for duty in self._duties:
            now = time.monotonic()
            if now < duty.next_run:
                continue
            # Asked before each: the one before may have taken longer than the lead lasts.
            if duty.leader_only and not self._leads(now):
                continue
            duty.next_run = now + duty.interval
            # One that fails must not keep the others from their turn.
            self._safely(duty.service.run_once)

    def _leads(self, now: float) -> bool:
        if now >= self._next_try:
            self._next_try = now + FOLLOW
            won = self._store.run("lead", self._candidate, int(LEAD * 1000))
            self._lead_until = now + LEAD if won else 0.0
        return now < self._lead_until

    def _resign(self) -> None:
        key = self._store.keys.of("leader")
        if self._store.link.call("GET", key) == self._candidate.encode():
            self._store.link.call("DEL", key)
