"""Waiting for jobs: for the announcement of a job's end, over outages of the server."""

from __future__ import annotations

import logging
import time
from typing import Protocol

import redis

from flowforge.engine.blocking_waits import check_may_wait, check_timeout
from flowforge.engine.unserved_queues import Asked, overdue
from flowforge.errors import StoreUnavailableError
from flowforge.store.announcements import announcements
from flowforge.store.link import explained, raise_explained
from flowforge.store.outage import is_final, is_outage

logger = logging.getLogger("flowforge.engine.engine")

#: Seconds after which a waiter looks again although nothing was announced: an announcement can be
#: lost when the server restarts.
LOOK_AGAIN = 5.0

#: Seconds that an outage lasts before a waiter's log tells of it.
OUTAGE_TOLD = 5.0


class Server(Asked, Protocol):
    """Where a job is waited for: the engine of its server."""

    client: redis.Redis


def wait_for(server: Server, job_id: str, timeout: float | None) -> str:
    """As ``Engine.wait`` says."""
    check_timeout(timeout)
    check_may_wait(job_id, timeout)
    deadline = None if timeout is None else time.monotonic() + timeout
    outage = _Outage(job_id)
    while True:
        try:
            return _wait_on_channel(server, job_id, deadline, outage)
        except redis.RedisError as error:
            if not is_outage(error):
                raise_explained(server.client.connection_pool, error)
            outage.lasts(explained(server.client.connection_pool, error))
        except StoreUnavailableError as error:
            if is_final(error.__cause__):
                raise
            outage.lasts(error)
        # A broken subscription is simply made again.
        _pause_until(deadline, job_id)


def _wait_on_channel(server: Server, job_id: str, deadline: float | None, outage: _Outage) -> str:
    with announcements(server.client, server.store.keys, job_id) as announced:
        while True:
            status = server.inspector.settled(job_id)
            outage.ended()
            if status is not None:
                return status
            patience = LOOK_AGAIN
            if deadline is not None:
                patience = min(patience, deadline - time.monotonic())
                if patience <= 0:
                    raise TimeoutError(overdue(server, job_id))
            announced.wait(patience)


class _Outage:
    """An outage of the server as somebody sees it who waits for a job; told when it lasts."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._since: float | None = None
        self._told = False

    def lasts(self, error: Exception) -> None:
        """The server does not answer, or refuses; ``error`` says why."""
        now = time.monotonic()
        self._since = self._since or now
        if not self._told and now - self._since >= OUTAGE_TOLD:
            self._told = True
            logger.warning(
                "waiting for job %s: %s (so for %d s, still trying)",
                self._job_id,
                error,
                now - self._since,
            )

    def ended(self) -> None:
        """The server answered."""
        if self._told:
            logger.warning("waiting for job %s: the Redis server answers again", self._job_id)
        self._since, self._told = None, False


def _pause_until(deadline: float | None, job_id: str) -> None:
    if deadline is not None and time.monotonic() >= deadline:
        raise TimeoutError(f"job {job_id}: the Redis server did not answer in time")
    time.sleep(0.2)
