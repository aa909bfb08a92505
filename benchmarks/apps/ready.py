"""How a worker tells its trial that it takes work."""

from __future__ import annotations

import os
from typing import Any

import redis
from celery.signals import worker_ready

from benchmarks.frame.stage import READY, URL_VARIABLE

URL = os.environ[URL_VARIABLE]


def announce() -> None:
    """Report that this worker is ready."""
    with redis.Redis.from_url(URL) as client:
        client.lpush(READY, 1)


@worker_ready.connect(weak=False)
def _on_ready(**_: Any) -> None:
    announce()
