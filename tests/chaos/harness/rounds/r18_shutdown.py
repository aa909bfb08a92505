"""Row 18: workers are told to stop, in turn, as deploys and autoscalers do, under load."""

from __future__ import annotations

import signal
import time

from tests.chaos.harness import soft_shutdown
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.faults import children, send
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site
from tests.support.fleet import Worker

_WORKERS = 3
_POOLS = ("prefork", "threads", "prefork", "gevent", "prefork", "solo")

#: Handlers of these trees take a moment, and most of a second: both have the time to finish.
_QUICK = Tree(400, micros=5000)
_SLOW = Tree(24, micros=600_000)

#: Seconds until a worker that was told to stop has ended.
_END = 20.0

#: Nanoseconds that a handler may take beyond its own sleep.
_SLACK = 20_000_000


def run(arena: Arena) -> None:
    cycles = arena.times(100, least=4)
    site = arena.site(arena.server().url, imports=(soft_shutdown.MODULE,))
    pools = [_POOLS[i % len(_POOLS)] for i in range(_WORKERS + cycles)]
    alive = [site.start(pool=pool, wait=False) for pool in pools[:_WORKERS]]
    site.fleet.wait_until_ready()
    leaving: dict[Worker, float] = {}
    # Process -> wall time in nanoseconds at which a soft shutdown may cut off what it runs.
    cuts: dict[int, int] = {}
    ends: list[float] = []
    softly = 0
    for pool in pools[_WORKERS:]:
        # A rolling restart: the new one is ready before the next old one is told to stop.
        alive.append(site.start(pool=pool, wait=False))
        site.fleet.wait_until_ready(alive[-1])
        _feed(site, handlers=5)
        victim = alive.pop(0)
        soft = arena.rng.random() < 0.5
        softly += soft
        leaving[victim] = time.monotonic()
        if soft:
            cut = time.time_ns() + int(soft_shutdown.TIMEOUT * 1e9)
            cuts.update(dict.fromkeys([victim.pid, *children(victim.pid)], cut))
        send(victim.pid, signal.SIGQUIT if soft else signal.SIGTERM)
        ends += _ended(arena, site, leaving)
    while leaving:
        ends += _ended(arena, site, leaving)
        time.sleep(0.01)
    site.fault_over()
    arena.figures["restarts"] = cycles
    arena.figures["of them with a soft shutdown"] = softly
    arena.figures["slowest worker ended within s"] = max(ends)
    arena.figures["recovered in s"] = site.wait(60)
    site.verify()
    lost = _had_the_time(site, cuts)
    arena.figures["invocations"] = sum(tree.invocations for tree in site.jobs.values())
    arena.figures["attempts lost"] = site.count("lost")
    arena.figures["of them with the time to finish"] = lost
    arena.expect(lost == 0, f"{lost} handlers that had the time to finish run again")


def _had_the_time(site: Site, cuts: dict[int, int]) -> int:
    """Handlers that were cut off although they had the time: by SIGTERM, which cuts nothing off, or
    begun early enough before the end of a soft shutdown.
    """
    begun = {}
    for line in site.lines():
        key = (line.job_id, line.number, line.attempt, line.pid)
        if line.kind == "start":
            begun[key] = line
        else:
            begun.pop(key, None)
    needs = {job: getattr(shape, "micros", 0) * 1000 + _SLACK for job, shape in site.jobs.items()}
    return sum(
        line.pid not in cuts or cuts[line.pid] - line.at > needs[line.job_id]
        for line in begun.values()
    )


def _feed(site: Site, handlers: int) -> None:
    site.feed(2, _SLOW)
    site.submit(_QUICK)
    wanted = site.started() + handlers
    deadline = time.monotonic() + 30
    while site.started() < wanted and time.monotonic() < deadline:
        time.sleep(0.005)


def _ended(arena: Arena, site: Site, leaving: dict[Worker, float]) -> list[float]:
    """Take those that have ended out; how long each took, at least."""
    took = {worker: time.monotonic() - since for worker, since in leaving.items()}
    gone = [worker for worker in leaving if not worker.alive]
    for worker in [worker for worker in leaving if worker.alive and took[worker] > _END]:
        arena.violate(f"{worker.name} had not ended after {_END} s\n{worker.tail()}")
        site.fleet.kill(worker)
        gone.append(worker)
    for worker in gone:
        del leaving[worker]
    return [took[worker] for worker in gone]


ROUND = Round(
    row=18,
    name="shutdown",
    fault="Workers are restarted under load",
    injection="100 times SIGTERM, or SIGQUIT with a soft shutdown",
    target="I1 to I4 hold; no handler that had time to finish runs again",
    run=run,
    cut=0.04,
    alone=True,
)
