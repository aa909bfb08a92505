"""Row 22: everything at once for a long time; nothing may pile up."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import redis

from flowforge.errors import JobStateError
from flowforge.local.server import LocalServer
from flowforge.store.fleet_reads.dead_letters import DeadLetters
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.checker import check_tree
from tests.chaos.harness.faults import children, freeze, send, thaw
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import END_LIMIT, Site
from tests.support.eventually import eventually
from tests.support.fleet import Worker
from tests.support.mutations import mutated

#: Seconds of faults between two looks at everything, when all jobs have ended.
_EPOCH = 20.0

#: Seconds between two faults, at most.
_PAUSE = 1.0

#: Seconds that ended jobs are kept. Each is checked within a fault or two after its end.
_RETENTION = 12.0

#: Seconds until a worker has ended that was told to: see the row of shutdowns.
_END = 20.0

#: How far the memory of the steady worker, and of the server at rest, may grow: share and bytes.
_GROWTH = 1.10
_SLACK = 8 * 2**20

_TREE = Tree(300, micros=2000)


def run(arena: Arena) -> None:
    Soak(arena).run(seconds=max(15.0, 600.0 * arena.scale))


class Soak:
    """One fleet: a worker that stays, two that come and go, and a source of faults."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.server: LocalServer = arena.server()
        self.site: Site = arena.site(self.server.url, max_losses=1000, retention=_RETENTION)
        self.client = arena.own(redis.Redis.from_url(self.server.url))
        self.list = f"{self.site.settings.prefix}:celery"
        self.steady = self.site.start(concurrency=2)
        self.others = [self._start(), self._start()]
        self.leaving: list[Worker] = []
        self.counts: dict[str, int] = {}
        self.invocations = 0

    def run(self, seconds: float) -> None:
        """Epochs of faults; then everything has to be as it was before the first job."""
        # What is made once and stays, like the number of dead letters, is no leak.
        self._rubbish()
        self._epoch(0.0)
        keys, memory = self._at_rest()
        resident = [self._resident()]
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._epoch(min(left, _EPOCH))
            resident.append(self._resident())
        keys_after, memory_after = self._at_rest()
        arena = self.arena
        arena.figures |= {
            "took s": round(seconds), "faults": sum(self.counts.values()),
            "invocations": self.invocations, "keys before": len(keys),
            "keys after": len(keys_after), "server before KiB": memory // 1024,
            "server after KiB": memory_after // 1024, "worker at first MiB": resident[0] / 2**20,
            "worker at the end MiB": resident[-1] / 2**20,
        }  # fmt: skip
        arena.expect(keys_after <= keys, f"keys that stay: {sorted(keys_after - keys)[:10]}")
        grown = memory_after - memory
        arena.expect(grown <= _SLACK, f"the server at rest holds {grown} bytes more")
        # The first epochs fill caches that are bounded.
        early = max(resident[: max(2, len(resident) // 3)])
        limit = early * _GROWTH + _SLACK
        arena.expect(resident[-1] <= limit, f"the worker grew: {[r >> 20 for r in resident]} MiB")

    # --- one epoch -------------------------------------------------------------------------

    def _epoch(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        site = self.site
        site.feed(3, _TREE)
        while time.monotonic() < until:
            site.feed(3, _TREE)
            name, fault = self.arena.rng.choice(list(self._faults().items()))
            fault()
            self.counts[name] = self.counts.get(name, 0) + 1
            time.sleep(self.arena.rng.uniform(0, _PAUSE))
            self._check_ended()
        while self.leaving:
            site.fleet.wait_until_ended(self.leaving.pop(), _END)
        site.fault_over()
        limit = time.monotonic() + site.settings.lease + END_LIMIT
        while site.jobs and time.monotonic() < limit:
            self._check_ended()
            time.sleep(0.05)
        site.wait(1.0)
        site.forget(*site.jobs)
        self._check_nothing_held()
        DeadLetters(site.engine.store).drop_all()
        # Every writer appends, so the next line comes first.
        site.ledger.write_bytes(b"")

    def _check_ended(self) -> None:
        """I1 to I3 for the jobs that have ended, which are then forgotten."""
        site = self.site
        for job in [job for job in site.jobs if site.ended(job)]:
            tree = site.jobs[job]
            site.violations += check_tree(site.engine, job, tree, site.lines(job))
            self.invocations += tree.invocations
            site.forget(job)

    def _check_nothing_held(self) -> None:
        """I3: no lease and no timer is left when every job has ended."""
        keys = self.site.engine.store.keys
        names = [keys.of("leases"), keys.of("timers")]
        try:
            # Handlers of a frozen worker may still hold theirs for a moment.
            limit = self.site.settings.lease + 5
            eventually(lambda: not any(map(self.client.zcard, names)), limit, "leases to be gone")
        except AssertionError as error:
            self.arena.violate(f"I3 {error}")

    def _faults(self) -> dict[str, Callable[[], Any]]:
        return {
            "child killed": self._kill_child,
            "worker killed": self._kill_worker,
            "worker stopped": self._stop_worker,
            "worker frozen": self._freeze_worker,
            "scripts flushed": self.client.script_flush,
            "message lost": lambda: self.client.rpop(self.list),
            "messages doubled": self._double,
            "rubbish": self._rubbish,
            "server frozen": self._freeze_server,
            "paused": self._pause,
        }

    def _start(self) -> Worker:
        pool = self.arena.rng.choice(("prefork", "threads", "gevent", "solo"))
        return self.site.start(pool=pool, concurrency=2)

    def _kill_child(self) -> None:
        if pool := children(self.steady.pid):
            send(self.arena.rng.choice(pool), signal.SIGKILL)

    def _kill_worker(self) -> None:
        self.site.fleet.kill(self.others.pop(0))
        self.others.append(self._start())

    def _stop_worker(self) -> None:
        leaving = self.others.pop(0)
        self.site.fleet.terminate(leaving)
        self.leaving.append(leaving)
        self.others.append(self._start())

    def _freeze_worker(self) -> None:
        pids = freeze(self.others[0])
        time.sleep(self.arena.rng.uniform(0.1, 2 * self.site.settings.lease))
        thaw(pids)

    def _double(self) -> None:
        items: list[bytes] = self.client.lrange(self.list, -100, -1)
        if items:
            self.arena.rng.shuffle(items)
            self.client.rpush(self.list, *items)

    def _rubbish(self) -> None:
        base = self.client.lindex(self.list, 0) or b'{"headers": {}}'
        self.client.lpush(self.list, *(mutated(base, self.arena.rng) for _ in range(20)))

    def _freeze_server(self) -> None:
        send(self.server.pid, signal.SIGSTOP)
        time.sleep(self.arena.rng.uniform(0.1, 1.5))
        thaw([self.server.pid])

    def _pause(self) -> None:
        job = self.arena.rng.choice(list(self.site.jobs))
        engine = self.site.engine
        try:
            engine.pause(job)
            time.sleep(self.arena.rng.uniform(0, 0.5))
            engine.resume(job)
        except JobStateError:
            return  # it has ended

    # --- looking ---------------------------------------------------------------------------

    def _at_rest(self) -> tuple[set[str], int]:
        """Keys that are left when every job has been forgotten, and the server's memory."""
        root = self.site.engine.store.keys.root
        eventually(
            lambda: not any(self._matching(f"{root}{part}*") for part in ("j:", "jobs:", "d:")),
            3 * _RETENTION + 30,
            lambda: f"jobs to be forgotten: {self._matching(f'{root}j*')[:5]}",
        )
        keys = {re.sub(r"\d+", "N", key) for key in self._matching("*")}
        return keys, int(self.client.info("memory")["used_memory"])

    def _matching(self, pattern: str) -> list[str]:
        return [key.decode() for key in self.client.scan_iter(match=pattern, count=1000)]

    def _resident(self) -> int:
        """Bytes of the steady worker's main process."""
        table = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(self.steady.pid)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return int(table.stdout) * 1024


ROUND = Round(
    row=22,
    name="soak",
    fault="All faults, for a long time",
    injection="10 minutes of mixed faults",
    target="I1 to I4 hold, memory stays flat, no keys stay behind",
    run=run,
    cut=0,
    first=True,
)
