"""How long a process waits for a job, and what it does while the server does not answer."""

from __future__ import annotations

import logging
import math
import time

import redis

from flowforge.engine.job_server import JobServer
from flowforge.errors import StoreUnavailableError
from flowforge.store.server.errors import explained, raise_explained
from flowforge.store.server.outage import is_final, is_outage

logger = logging.getLogger(__name__)

#: Seconds between two tries during an outage.
PAUSE = 0.2

#: Seconds that an outage lasts before a waiter's log tells of it.
OUTAGE_TOLD = 5.0


class Deadline:
    """When a wait of ``timeout`` seconds is over; without a timeout it never is."""

    def __init__(self, timeout: float | None) -> None:
        self._at = math.inf if timeout is None else time.monotonic() + timeout

    def left(self, most: float) -> float:
        """Seconds until then, ``most`` at most; 0 or less when the wait is over."""
        return min(most, self._at - time.monotonic())


def passing(server: JobServer, error: redis.RedisError | StoreUnavailableError) -> Exception:
    """What to say of an error that may pass; any other one is raised."""
    if isinstance(error, StoreUnavailableError):
        if is_final(error.__cause__):
            raise error
        return error
    pool = server.client.connection_pool
    if not is_outage(error):
        raise_explained(pool, error)
    return explained(pool, error)


class OutageLog:
    """Logs an outage of the server that lasts while a process waits for a job."""

    def __init__(self, server: JobServer, job_id: str) -> None:
        self._server = server
        self._job_id = job_id
        self._since: float | None = None
        self._told = False

    def lasts(self, error: redis.RedisError | StoreUnavailableError) -> None:
        """The server does not answer, or refuses; raises an error that says something else."""
        problem = passing(self._server, error)
        now = time.monotonic()
        self._since = self._since or now
        if not self._told and now - self._since >= OUTAGE_TOLD:
            self._told = True
            logger.warning(
                "waiting for job %s: %s (so for %d s, still trying)",
                self._job_id,
                problem,
                now - self._since,
            )

    def ended(self) -> None:
        """The server answered."""
        if self._told:
            logger.warning("waiting for job %s: the Redis server answers again", self._job_id)
        self._since, self._told = None, False
