"""Keeping the leases of one process alive while its handlers run."""

from __future__ import annotations

import logging
import math
import threading
from time import perf_counter
from typing import Protocol

from flowforge.common.forks import Forks
from flowforge.common.once_per_process import OncePerProcess
from flowforge.errors import StoreUnavailableError
from flowforge.store.store import Store
from flowforge.store.transitions.answers import Answer

logger = logging.getLogger(__name__)

#: Leases renewed by one call of the script.
_CHUNK = 500


#: Seconds between two renewals while the time of an attempt is over.
_LOOK = 1.0


#: Handlers that hang of which a worker tells.
MOST_HANGING = 100


class Holder(Protocol):
    """What learns by a flag that its work no longer counts."""

    cancelled: bool

    @property
    def ends_at(self) -> float | None:
        """When its time is over, by ``perf_counter``; None: it has a lease as long as it runs."""


class LeaseKeeper:
    """Renews every lease added to it, from one thread per process that starts with the first.

    A lease that was lost, or whose job has ended, sets ``cancelled`` on what was added with it.

    When the time of an attempt is over, leases are renewed more often: it says that this worker is
    not lost, and the holder hears soon that its lease was taken. The thread wakes for that alone;
    attempts without a timeout cost no wake-up between two heartbeats.
    """

    def __init__(self, store: Store, lease: float, interval: float) -> None:
        self._store = store
        self._lease_ms = int(lease * 1000)
        self._interval = interval
        self._held: dict[str, Holder | None] = {}
        self._ended = False
        #: When the thread looks next whether the time of an attempt is over, by ``perf_counter``.
        self._look_at = math.inf
        self._wake = threading.Event()
        self._started = OncePerProcess(self._begin)

    def add(self, lease: str, holder: Holder | None = None) -> None:
        """Renew a lease from now on. Adding it again, with a holder, says whose flag to set."""
        # After a fork the parent's thread does not exist here, and its leases are not ours.
        if self._started.process != Forks.count:
            self._started()
        self._held[lease] = holder

    def look_at(self, ends_at: float) -> None:
        """The time of an attempt whose holder was added is over then, by ``perf_counter``."""
        if ends_at < self._look_at:
            self._look_at = ends_at
            self._wake.set()

    def _begin(self) -> None:
        self._held = {}
        self._look_at = math.inf
        # The parent's may be held by a thread that is not here.
        self._wake = threading.Event()
        thread = threading.Thread(target=self._renew_until_closed, name="flowforge-leases")
        thread.daemon = True
        thread.start()

    def close(self) -> None:
        """Renew nothing more: leases of handlers that still run expire, and others take over."""
        self._ended = True
        if self._started.process == Forks.count:
            self._wake.set()

    def remove(self, lease: str) -> None:
        self._held.pop(lease, None)

    def renew_once(self) -> int:
        """Renew everything held now; returns how many leases turned out lost or pointless."""
        held = dict(self._held)
        leases = list(held)
        gone = 0
        for start in range(0, len(leases), _CHUNK):
            chunk = leases[start : start + _CHUNK]
            answers = self._store.invocations.heartbeat(self._lease_ms, chunk)
            for lease, answer in zip(chunk, answers, strict=True):
                if answer is not Answer.OK:
                    gone += 1
                    # A holder that is added later is flagged by the next beat.
                    holder = held[lease]
                    if holder is not None:
                        holder.cancelled = True
        return gone

    def hanging(self) -> list[str]:
        """Invocations, as ``job/invocation``, whose time was over, that are told so, and whose
        handlers have not returned; at most ``MOST_HANGING``.
        """
        now = perf_counter()
        found = [
            lease.rpartition("/")[0]
            for lease, holder in list(self._held.items())
            if holder is not None and holder.cancelled and (holder.ends_at or now) < now
        ]
        return found[:MOST_HANGING]

    def _plan_look(self, now: float) -> bool:
        """Set when to look next; whether an attempt has not heard yet that its time is over."""
        # First: one that is added meanwhile and ends before the rest has the thread look again.
        self._look_at = math.inf
        ends = [
            ends_at
            for holder in list(self._held.values())
            if holder is not None
            and not holder.cancelled
            and (ends_at := holder.ends_at) is not None
        ]
        if not ends:
            return False
        first = min(ends)
        self._look_at = first if first > now else now + _LOOK
        return first <= now

    def _wait(self, due: float) -> None:
        """Until a moment, or until there is something to look at before it."""
        self._wake.wait(max(0.0, min(due, self._look_at) - perf_counter()))
        self._wake.clear()

    def _renew_until_closed(self) -> None:
        due = perf_counter() + self._interval
        while True:
            self._wait(due)
            if self._ended:
                return
            now = perf_counter()
            if not self._plan_look(now) and now < due:
                continue
            due = now + self._interval
            if not self._held:
                continue
            try:
                self.renew_once()
            except StoreUnavailableError as error:
                # The next beat tries again.
                logger.warning("could not renew %d leases: %s", len(self._held), error)
            except Exception:
                logger.exception("could not renew %d leases", len(self._held))
