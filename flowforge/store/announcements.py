"""What the scripts announce of a job: that waiters should look at it again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from flowforge.store.keys import Keys


class Announcements:
    """A subscription to what is announced of one job."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    def wait(self, patience: float) -> None:
        """Return at the next announcement, or after ``patience`` seconds."""
        deadline = time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0:
            # The confirmation of the subscription is reported as None as well.
            if self._channel.get_message(timeout=left) is not None:
                return


@contextmanager
def announcements(client: redis.Redis, keys: Keys, job_id: str) -> Iterator[Announcements]:
    """Subscribe; what is announced from then on is not missed. Raises redis.RedisError."""
    with client.pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]
        channel.subscribe(keys.of("channel", job_id))
        yield Announcements(channel)
