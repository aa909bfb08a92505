"""Waiting for jobs: for the announcement of a job's end, over outages of the server."""

from __future__ import annotations

import logging
import math
import time

import redis

from flowforge.engine.blocking_waits import check_may_wait, check_timeout
from flowforge.engine.explain import overdue
from flowforge.engine.job_server import JobServer
from flowforge.errors import StoreUnavailableError
from flowforge.model.status import JobStatus
from flowforge.store.announcements import announcements
from flowforge.store.outage import is_final, is_outage
from flowforge.store.server_errors import explained, raise_explained

logger = logging.getLogger(__name__)

#: Seconds after which a waiter looks again although nothing was announced: an announcement can be
#: lost when the server restarts.
LOOK_AGAIN = 5.0

#: Seconds that an outage lasts before a waiter's log tells of it.
OUTAGE_TOLD = 5.0

#: Seconds between two tries to subscribe during an outage.
PAUSE = 0.2


def wait_for(
    server: JobServer, job_id: str, timeout: float | None, *, explains: bool = True
) -> JobStatus:
    """As ``Engine.wait`` says."""
    check_timeout(timeout)
    check_may_wait(job_id, timeout)
    deadline, outage = _Deadline(timeout), _OutageLog(job_id)
    while True:
        try:
            status = _wait_on_channel(server, job_id, deadline, outage)
            if status is None:
                raise TimeoutError(overdue(server, job_id) if explains else job_id)
            return status
        except redis.RedisError as error:
            if not is_outage(error):
                raise_explained(server.client.connection_pool, error)
            outage.lasts(explained(server.client.connection_pool, error))
        except StoreUnavailableError as error:
            if is_final(error.__cause__):
                raise
            outage.lasts(error)
        # A broken subscription is simply made again.
        if deadline.left(PAUSE) <= 0:
            raise TimeoutError(f"job {job_id}: the Redis server did not answer in time")
        time.sleep(PAUSE)


def _wait_on_channel(
    server: JobServer, job_id: str, deadline: _Deadline, outage: _OutageLog
) -> JobStatus | None:
    """The status once the job has settled; None when the time is over."""
    with announcements(server.client, server.store.keys, job_id) as announced:
        while True:
            status = server.inspector.settled(job_id)
            outage.ended()
            if status is not None:
                return status
            patience = deadline.left(LOOK_AGAIN)
            if patience <= 0:
                return None
            announced.wait(patience)


class _Deadline:
    """When a wait of ``timeout`` seconds is over; without a timeout it never is."""

    def __init__(self, timeout: float | None) -> None:
        self._at = math.inf if timeout is None else time.monotonic() + timeout

    def left(self, most: float) -> float:
        """Seconds until then, ``most`` at most; 0 or less when the wait is over."""
        return min(most, self._at - time.monotonic())


class _OutageLog:
    """Logs an outage of the server that lasts while a process waits for a job."""

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
