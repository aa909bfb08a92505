"""What a team writes by hand: a task that calls itself, as in every Celery tutorial.

``acks_late`` as work that must not get lost needs it, a prefetch of 16, no result backend;
everything else as Celery comes.
"""

from __future__ import annotations

import redis
from celery import Celery

from benchmarks.apps import ready

app = Celery("hop", broker=ready.URL)
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=16, task_ignore_result=True)
client = redis.Redis.from_url(ready.URL)


@app.task
def hop(job: str, n: int) -> None:
    if n > 1:
        hop.delay(job, n - 1)
    else:
        client.lpush(f"done:{job}", 1)


@app.task
def nothing() -> None:
    pass
