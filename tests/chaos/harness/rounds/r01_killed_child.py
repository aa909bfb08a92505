"""Row 1: pool children are killed at random while trees grow."""

from __future__ import annotations

import signal
import time

from tests.chaos.harness.arena import Arena
from tests.chaos.harness.faults import children, send
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.round import Round

#: Jobs under way at any time, and what each of them is.
_LIVE = 4
_TREE = Tree(500, micros=2000)


def run(arena: Arena) -> None:
    kills, invocations = arena.times(200, least=8), arena.times(20_000, least=800)
    site = arena.site(arena.server().url, max_losses=1000)
    site.start_pools("prefork", "prefork")
    done = 0
    while done < kills or len(site.jobs) * _TREE.invocations < invocations:
        site.feed(_LIVE, _TREE)
        time.sleep(arena.rng.uniform(0.05, 0.5))
        pool = children(arena.rng.choice(site.fleet.workers).pid)
        if pool:
            done += send(arena.rng.choice(pool), signal.SIGKILL)
    site.fault_over()
    arena.figures["kills"] = done
    arena.figures["recovered in s"] = site.wait()
    site.expect_alive()
    site.verify()
    arena.figures["invocations"] = sum(tree.invocations for tree in site.jobs.values())
    arena.figures["attempts lost"] = site.count("lost")


ROUND = Round(
    row=1,
    name="killed-child",
    fault="A pool child dies",
    injection="SIGKILL to a random child, every 50 to 500 ms",
    target="200 kills, 20,000 invocations: I1 to I4 hold",
    run=run,
    cut=0.03,
)
