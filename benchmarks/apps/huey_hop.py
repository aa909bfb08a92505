"""The hop on Huey, with its defaults."""

from __future__ import annotations

import redis
from huey import RedisHuey

from benchmarks.apps import ready

app = RedisHuey("hop", url=ready.URL)
client = redis.Redis.from_url(ready.URL)


@app.on_startup()  # type: ignore[untyped-decorator]
def _on_startup() -> None:
    ready.announce()


@app.task()  # type: ignore[untyped-decorator]
def hop(job: str, n: int) -> None:
    if n > 1:
        hop(job, n - 1)
    else:
        client.lpush(f"done:{job}", 1)
