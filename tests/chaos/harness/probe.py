"""How long a server keeps a client waiting, asked by a process of its own."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.connection import Connection
from typing import Any, Self

import redis

#: Seconds between two questions.
_PAUSE = 0.001


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of all do not exceed; 0 when there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Probe:
    """While it is entered a process pings the server; ``milliseconds`` is there afterwards."""

    def __init__(self, url: str) -> None:
        self.milliseconds: list[float] = []
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process: Any = context.Process(target=_ask, args=(url, there), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self._here.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._here.send("stop")
        self.milliseconds = self._here.recv()
        self._process.join()


def _ask(url: str, there: Connection) -> None:
    waits = []
    with redis.Redis.from_url(url) as client:
        client.ping()
        there.send("ready")
        while not there.poll(_PAUSE):
            began = time.perf_counter()
            client.ping()
            waits.append((time.perf_counter() - began) * 1000)
    there.send(waits)
