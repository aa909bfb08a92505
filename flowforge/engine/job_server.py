"""The server of a job, as far as waiting for the job and explaining it need it."""

from __future__ import annotations

from typing import Protocol

import redis
from celery import Celery

from flowforge.settings import Settings
from flowforge.store.fleet_reads.overview import Overview
from flowforge.store.job_reads.inspector import Inspector
from flowforge.store.server.outage import Outage
from flowforge.store.store import Store


class JobServer(Protocol):
    """What is needed of the engine of the job's server."""

    app: Celery
    client: redis.Redis
    settings: Settings
    store: Store
    inspector: Inspector
    overview: Overview

    def outage(self) -> Outage | None: ...

    def worker_command(self, queue: str) -> str: ...
