"""What the server says of itself, and what the kernel says of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import redis

from benchmarks.frame import clocks
from flowforge.local.server import LocalServer


@dataclass(frozen=True)
class Reading:
    """One look; seconds are monotonic or CPU time."""

    when: float
    server: float
    own: float
    commands: int
    memory: int


@dataclass(frozen=True)
class Load:
    """What happened between two looks, for each second of it. Cores: 1.0 is one core's all."""

    seconds: float
    server_cores: float
    own_cores: float
    commands: float

    @classmethod
    def between(cls, early: Reading, late: Reading) -> Load:
        seconds = late.when - early.when
        return cls(
            seconds,
            (late.server - early.server) / seconds,
            (late.own - early.own) / seconds,
            (late.commands - early.commands) / seconds,
        )


class Gauge:
    """Reads one server."""

    def __init__(self, server: LocalServer) -> None:
        self._pid = server.pid
        self.client = redis.Redis.from_url(server.url)

    def read(self) -> Reading:
        info: Any = self.client.info()
        return Reading(
            time.monotonic(),
            clocks.cpu_seconds(self._pid),
            time.process_time(),
            info["total_commands_processed"],
            info["used_memory"],
        )

    def close(self) -> None:
        self.client.close()
