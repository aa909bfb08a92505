"""The least that a Celery worker can do: take queued tasks that do nothing.

No state, no publishing from the worker, and kombu's bookkeeping of acknowledgements switched off.
"""

from __future__ import annotations

import redis
from celery import Celery

from benchmarks.apps import ready

app = Celery("floor", broker=ready.URL)
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=16,
    task_ignore_result=True,
    broker_transport_options={"ack_emulation": False},
)
client = redis.Redis.from_url(ready.URL)


@app.task
def nothing() -> None:
    pass


@app.task
def tell(name: str) -> None:
    """Reports that the queue has been worked off up to here."""
    client.lpush(name, 1)
