"""Saying that this worker is there, what it consumes and which routines it knows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from flowforge.store.fleet_reads.worker_reports import WorkerReports
from flowforge.store.lease_tokens import next_token
from flowforge.store.store import Store

logger = logging.getLogger(__name__)


class StaleReports:
    """Forgets the records of workers that have stopped reporting."""

    def __init__(self, store: Store) -> None:
        self._reports = WorkerReports(store)

    def run_once(self) -> int:
        """How many were forgotten."""
        return self._reports.forget_silent()


class Presence:
    """Reports this worker, by name, with its facts.

    ``rate_limited``: the invocations, as ``job/invocation``, that wait in the worker for a rate
    limit, or have just done so.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        facts: Callable[[], dict[str, Any]],
        rate_limited: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._reports = WorkerReports(store)
        self._name = name
        self._facts = facts
        self.rate_limited = rate_limited
        #: What tells this worker from another of its name.
        self._mark = next_token()
        self._written = self._warned = self._shared = False

    def run_once(self) -> int:
        """How many reports were written: one."""
        replaced = self._reports.write(
            self._name, self._mark, self._facts(), self.rate_limited(), shared=self._shared
        )
        # Before its own first report it may be that of a worker which has been replaced.
        self._shared = self._written and replaced
        if self._shared:
            self._warn()
        self._written = True
        return 1

    def withdraw(self) -> None:
        """Take the report back at an orderly stop."""
        self._reports.withdraw(self._name, self._mark)

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                "another worker reports under the name of this one, %s, so only one of them is "
                "seen: give each its own, as with -n worker1@%%h",
                self._name,
            )


class RateLimitedReports:
    """Reports more often while messages wait in the worker for a rate limit."""

    def __init__(self, presence: Presence) -> None:
        self._presence = presence

    def run_once(self) -> int:
        """How many messages wait for a rate limit."""
        rate_limited = len(self._presence.rate_limited())
        if rate_limited:
            self._presence.run_once()
        return rate_limited
