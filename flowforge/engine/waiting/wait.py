"""Waiting for jobs: for the announcement of a job's end, over outages of the server."""

from __future__ import annotations

import time

import redis

from flowforge.engine.explain.job_findings import overdue
from flowforge.engine.job_server import JobServer
from flowforge.engine.waiting.blocking_waits import check_may_wait, check_timeout
from flowforge.engine.waiting.patience import PAUSE, Deadline, OutageLog
from flowforge.errors import StoreUnavailableError
from flowforge.model.jobs.status import JobStatus
from flowforge.store.announcements import announcements

#: Seconds after which a waiter looks again although nothing was announced: an announcement can be
#: lost when the server restarts.
LOOK_AGAIN = 5.0


def wait_for(
    server: JobServer, job_id: str, timeout: float | None, *, explains: bool = True
) -> JobStatus:
    """As ``Engine.wait`` says."""
    check_timeout(timeout)
    check_may_wait(job_id, timeout)
    deadline, outage = Deadline(timeout), OutageLog(server, job_id)
    while True:
        try:
            status = _wait_on_channel(server, job_id, deadline, outage)
            if status is None:
                raise TimeoutError(overdue(server, job_id) if explains else job_id)
            return status
        except (redis.RedisError, StoreUnavailableError) as error:
            outage.lasts(error)
        # A broken subscription is simply made again.
        if deadline.left(PAUSE) <= 0:
            raise TimeoutError(f"job {job_id}: the Redis server did not answer in time")
        time.sleep(PAUSE)


def _wait_on_channel(
    server: JobServer, job_id: str, deadline: Deadline, outage: OutageLog
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
