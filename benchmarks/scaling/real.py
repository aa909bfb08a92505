"""Real workers, one pool after the other: their connections, and what they send when idle."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis

import flowforge
from benchmarks.frame import clocks
from benchmarks.frame.stage import READY_LIMIT, ROOT, WORK_LIMIT
from benchmarks.scaling.flows import single
from flowforge.local.server import LocalServer
from flowforge.local.supervised_process import SupervisedProcess
from flowforge.store.keys import Keys

#: Pool and handlers at a time.
POOLS = (("solo", 1), ("prefork", 4), ("threads", 4), ("gevent", 10))

#: What large fleets leave out: see docs/explanation/scaling.md.
WAYS = {
    "as Celery starts them": (),
    "lean": ("--without-gossip", "--without-mingle", "--without-heartbeat"),
}

#: Seconds of looking at idle workers.
IDLE = 10.0

#: Jobs of one step, to give every handler something to do.
JOBS = 400

#: An established connection in ``/proc/net/tcp``.
_ESTABLISHED = "01"


def look() -> None:
    """A line for each pool, then what a worker more sends while it is idle."""
    for way, options in WAYS.items():
        print(f"Workers {way}")
        for pool, size in POOLS:
            with Bench() as bench:
                bench.start(pool, size, options)
                idle = bench.connections()
                bench.work()
                used = bench.connections()
                print(f"  {pool}, {size} handlers: {idle} connections, {used} after some work")
        with Bench() as bench:
            bench.start("solo", 1, options)
            alone = bench.rates()
            bench.start("solo", 1, options)
            both = bench.rates()
            more = {name: both[name] - alone.get(name, 0.0) for name in both}
            shown = [f"{name} {rate:.1f}" for name, rate in sorted(more.items()) if rate > 0.05]
            print(f"  an idle worker more sends, a second: {', '.join(shown)}")


class Bench:
    """A server and real workers, until the end of the block."""

    def __enter__(self) -> Bench:
        self._server = LocalServer.start()
        self._client = redis.Redis.from_url(self._server.url)
        self._workers: list[SupervisedProcess] = []
        flowforge.configure(redis_url=self._server.url)
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.end()
        flowforge.shutdown()
        self._client.close()
        self._server.stop()

    def start(self, pool: str, size: int, options: Sequence[str]) -> None:
        """Start a worker and return when it has reported its presence."""
        command = [sys.executable, "-m", "celery", "-A", "flowforge.app", "worker", "-l", "ERROR"]
        command += ["-P", pool, "-c", str(size), "-n", f"w{len(self._workers)}@%h", *options]
        own = {
            "FLOWFORGE_REDIS_URL": self._server.url,
            "FLOWFORGE_IMPORTS": "benchmarks.scaling.flows",
        }
        with open(os.devnull, "wb") as log:
            worker = SupervisedProcess(command, log, cwd=ROOT, env={**os.environ, **own})
        self._workers.append(worker)
        deadline = time.monotonic() + READY_LIMIT
        while self._client.hlen(Keys("ff").of("workers")) < len(self._workers):
            if not worker.alive or time.monotonic() > deadline:
                raise RuntimeError(f"a worker with -P {pool} did not start")
            time.sleep(0.05)

    def work(self) -> None:
        for job in single().execute_many("work", ({} for _ in range(JOBS))):
            job.wait(WORK_LIMIT)

    def connections(self) -> int:
        """Open ones from the worker processes to the server, once they have settled."""
        time.sleep(1.0)
        pids = [pid for worker in self._workers for pid in clocks.tree(worker.pid)]
        return sum(len(sockets(pid) & to_port(pid, self._server.port)) for pid in pids)

    def rates(self) -> dict[str, float]:
        """Commands of each kind per second, those inside of scripts included."""
        early, began = self._calls(), time.monotonic()
        time.sleep(IDLE)
        late, seconds = self._calls(), time.monotonic() - began
        return {name: (count - early.get(name, 0)) / seconds for name, count in late.items()}

    def memory(self) -> int:
        info: Any = self._client.info("memory")
        return int(info["used_memory"])

    def queued(self, name: str) -> tuple[int, int]:
        """Messages in a list of the broker, and bytes that it takes."""
        return self._client.llen(name), self._client.memory_usage(name, samples=0) or 0

    def _calls(self) -> dict[str, int]:
        stats: Any = self._client.info("commandstats")
        return {name.removeprefix("cmdstat_"): entry["calls"] for name, entry in stats.items()}


def sockets(pid: int) -> set[str]:
    """Inodes of a process's sockets."""
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def to_port(pid: int, port: int) -> set[str]:
    """Inodes of established connections to a port, as the process's network sees them."""
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    fields = (line.split() for line in lines)
    ending = f":{port:04X}"
    return {f[9] for f in fields if f[2].endswith(ending) and f[3] == _ESTABLISHED}
