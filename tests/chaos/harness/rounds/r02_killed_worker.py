"""Row 2: whole workers are killed under load, as if their machine had failed, and started again."""

from __future__ import annotations

import time

from tests.chaos.harness.arena import Arena
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.round import Round

#: Workers that run at any time, and their pools in turn.
_WORKERS = 3
_POOLS = ("prefork", "threads", "prefork", "solo", "gevent")

_TREE = Tree(200, micros=3000)


def run(arena: Arena) -> None:
    kills = arena.times(60, least=2)
    site = arena.site(arena.server().url, max_losses=1000)
    pools = [_POOLS[i % len(_POOLS)] for i in range(_WORKERS + kills)]
    alive = [site.start(pool=pools.pop(), wait=False) for _ in range(_WORKERS)]
    site.fleet.wait_until_ready()
    for _ in range(kills):
        # The replacement of the last kill is ready, so that there is always something to kill.
        site.fleet.wait_until_ready(*alive)
        site.work(3, _TREE, handlers=10)
        time.sleep(arena.rng.uniform(0, 0.2))
        victim = alive.pop(arena.rng.randrange(len(alive)))
        site.fleet.kill(victim)
        site.fault_over()
        alive.append(site.start(pool=pools.pop(), wait=False))
    site.fleet.wait_until_ready(*alive)
    arena.figures["kills"] = kills
    arena.figures["recovered in s"] = site.wait()
    site.verify()
    arena.figures["invocations"] = sum(tree.invocations for tree in site.jobs.values())
    arena.figures["attempts lost"] = site.count("lost")


ROUND = Round(
    row=2,
    name="killed-worker",
    fault="A whole worker dies",
    injection="SIGKILL to the worker's process group, then a restart",
    target="60 kills: I1 to I4 hold",
    run=run,
    cut=0.03,
)
