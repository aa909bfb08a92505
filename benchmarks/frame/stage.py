"""One trial's surroundings: a fresh server, fresh workers, and clocks on all of them."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Self

import redis

from benchmarks.frame import clocks
from flowforge.local.server import LocalServer
from flowforge.local.supervised_process import SupervisedProcess

ROOT = Path(__file__).parents[2]

#: Where the apps find the server, and the list on which a ready worker reports.
URL_VARIABLE = "BENCH_REDIS_URL"
READY = "bench:ready"

#: Seconds until a worker must be ready, and until any trial's work must be done.
READY_LIMIT = 60
WORK_LIMIT = 600

#: Bytes of a worker's log that an error shows.
LOG_TAIL = 3000


@dataclass
class Usage:
    """What one stretch of work took, in seconds."""

    wall: float = 0.0
    worker: float = 0.0
    server: float = 0.0
    producer: float = 0.0
    #: What the rest of the machine used meanwhile.
    others: float = 0.0

    def per_step(self, steps: int) -> dict[str, float]:
        """The figures of a trial that did ``steps`` steps; CPU and wall in microseconds a step."""
        return {
            "steps_per_s": steps / self.wall,
            "wall_us": self.wall / steps * 1e6,
            "worker_us": self.worker / steps * 1e6,
            "server_us": self.server / steps * 1e6,
            "cpu_us": (self.worker + self.server) / steps * 1e6,
            "producer_us": self.producer / steps * 1e6,
            "others": self.others / self.wall,
        }


class Stage:
    """A server and workers of their own. ``pinned``: all of it, and this process, on one core.

    ``durable``: the server appends every write to a file and syncs it once a second.
    """

    def __init__(
        self, *, pinned: bool, durable: bool = False, config: Mapping[str, str] | None = None
    ) -> None:
        self._pinned = pinned
        self._durable = durable
        self._config = dict(config or {})
        self._workers: list[SupervisedProcess] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if self._pinned:
            clocks.pin()
        with self._stack as stack:
            self._directory = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="flowforge-bench-"))
            )
            data = str(self._directory / "data") if self._durable else None
            self.server = stack.enter_context(LocalServer.start(data, config=self._config))
            # Without a timeout of its own: waiting for an item takes as long as the work.
            self.client = stack.enter_context(
                redis.Redis.from_url(self.server.url, socket_timeout=None)
            )
            stack.callback(self.end_workers)
            os.environ.update(self._settings())
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _settings(self) -> dict[str, str]:
        return {URL_VARIABLE: self.server.url, "FLOWFORGE_REDIS_URL": self.server.url}

    def load(self, module: str) -> ModuleType:
        """Import what needs to know the server: an app of the benchmark."""
        return importlib.import_module(f"benchmarks.apps.{module}")

    # --- workers -----------------------------------------------------------------------

    def start(self, *command: str) -> None:
        """Start a worker, ``python -m <command>``, and return when it is ready."""
        log = self._directory / f"worker{len(self._workers)}.log"
        with log.open("wb") as output:
            process = SupervisedProcess(
                [sys.executable, "-m", *command],
                output,
                cwd=ROOT,
                env={
                    **os.environ,
                    **self._settings(),
                    "FLOWFORGE_IMPORTS": "benchmarks.apps.flows",
                },
            )
        self._workers.append(process)
        self._await_ready()

    def start_celery(self, app: str, pool: str = "solo", size: int = 1, count: int = 1) -> None:
        """Start Celery workers the same way for everyone who is measured."""
        for number in range(1, count + 1):
            self.start(
                "celery", "-A", app, "worker", "-P", pool, "-c", str(size), "-l", "WARNING",
                "-n", f"w{number}@%h",
            )  # fmt: skip

    def start_flowforge(self, pool: str = "solo", size: int = 1, count: int = 1) -> None:
        """Start workers that run the flows of ``benchmarks.apps.flows``."""
        self.start_celery("flowforge.app", pool, size, count)

    def end_workers(self) -> None:
        """End all workers and return when they are gone."""
        for process in self._workers:
            process.release()
        while self._workers:
            self._workers.pop().end()

    def workers_seconds(self) -> float:
        """Processor time of the workers so far."""
        return clocks.tree_seconds(worker.pid for worker in self._workers)

    def workers_peak_mib(self) -> float:
        """The most memory that the workers have had so far."""
        return clocks.peak_mib(worker.pid for worker in self._workers)

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_LIMIT
        while time.monotonic() < deadline and all(worker.alive for worker in self._workers):
            if self.client.blpop([READY], timeout=1) is not None:
                return
        raise RuntimeError(f"a worker did not become ready\n{self.logs()}")

    def logs(self) -> str:
        """The ends of all workers' logs."""
        tails = [
            path.read_text(errors="replace")[-LOG_TAIL:]
            for path in sorted(self._directory.glob("worker*.log"))
        ]
        return "\n---\n".join(tails)

    # --- waiting and measuring -----------------------------------------------------------

    def await_item(self, name: str) -> bytes:
        """Wait for an item on a list of the server: how the apps report; returns it."""
        found: Any = self.client.blpop([name], timeout=WORK_LIMIT)
        if found is None:
            raise RuntimeError(f"no item on {name} within {WORK_LIMIT} s\n{self.logs()}")
        item: bytes = found[1]
        return item

    @contextmanager
    def watch(self) -> Iterator[Usage]:
        """Measure what happens in the block; the figures are there when it has ended."""
        usage = Usage()
        before = self._clocks()
        yield usage
        after = self._clocks()
        usage.wall, usage.worker, usage.server, usage.producer, machine = (
            late - early for early, late in zip(before, after, strict=True)
        )
        usage.others = max(0.0, machine - usage.worker - usage.server - usage.producer)

    def _clocks(self) -> tuple[float, float, float, float, float]:
        return (
            time.perf_counter(),
            self.workers_seconds(),
            clocks.cpu_seconds(self.server.pid),
            time.process_time(),
            clocks.machine_seconds(),
        )
