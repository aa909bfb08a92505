"""The hop on SAQ, with its defaults; ``BENCH_SAQ_CONCURRENCY`` is the number of jobs at once."""

from __future__ import annotations

import os
from typing import Any

import redis.asyncio
from saq import Queue

from benchmarks.apps import ready

queue = Queue.from_url(ready.URL)
client = redis.asyncio.Redis.from_url(ready.URL)


async def _on_startup(ctx: Any) -> None:
    ready.announce()


async def hop(ctx: Any, *, job: str, n: int) -> None:
    if n > 1:
        await queue.enqueue("hop", job=job, n=n - 1)
    else:
        await client.lpush(f"done:{job}", 1)


async def submit(jobs: int, steps: int) -> None:
    """Enqueue the first hop of every job."""
    await queue.connect()
    for job in range(jobs):
        await queue.enqueue("hop", job=str(job), n=steps)
    await queue.disconnect()


settings = {
    "queue": queue,
    "functions": [hop],
    "startup": _on_startup,
    "concurrency": int(os.environ.get("BENCH_SAQ_CONCURRENCY", "10")),
}
