"""The server of a job, as far as waiting for the job needs it."""

from __future__ import annotations

from typing import Protocol

import redis
from celery import Celery

from flowforge.store.inspector import Inspector
from flowforge.store.outage import Outage
from flowforge.store.store import Store


class JobServer(Protocol):
    """What a waiter needs of the engine of the job's server."""

    app: Celery
    client: redis.Redis
    store: Store
    inspector: Inspector

    def outage(self) -> Outage | None: ...
