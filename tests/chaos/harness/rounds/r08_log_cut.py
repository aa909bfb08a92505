"""Row 8: the server is killed and the end of its log is gone: an older state comes back.

That is what a crash of the server's machine does with ``appendfsync everysec``. Jobs of the lost
time are gone; every job that is there must finish, from a state that is consistent.
"""

from __future__ import annotations

import time

from flowforge.local.server import LocalServer
from tests.chaos.harness import undoing, waiting
from tests.chaos.harness.aof import cut_tail
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.round import Round
from tests.chaos.harness.scheduling import Schedules
from tests.chaos.harness.site import Site
from tests.chaos.harness.waiting import WaitingJobs

#: Largest part of the log that is cut. A crash loses a second or two.
_MOST = 0.3

_TREE = Tree(200, micros=3000)


def run(arena: Arena) -> None:
    gone = cut = 0
    slowest = 0.0
    server = arena.server(durable=True, appendfsync="everysec")
    imports = [undoing.__name__, *waiting.IMPORTS]
    site = arena.site(server.url, max_losses=1000, imports=imports, end_limit=60.0)
    undone = undoing.UndoneJobs(site)
    waits = WaitingJobs(site, arena.rng)
    schedules = Schedules(site)
    site.start_pools(*arena.pools("threads", "gevent"))
    rounds = arena.times(20)
    for _ in range(rounds):
        undone.submit(2, cancel=True)
        waits.submit()
        schedules.save()
        site.work(3, _TREE, handlers=30 + arena.rng.randrange(300))
        cut += _crash(arena, server)
        gone += forget_lost_jobs(site)
        slowest = max(slowest, site.resumed(3, _TREE))
    arena.figures["kills"] = rounds
    arena.figures["records cut"] = cut
    arena.figures["jobs lost with the log"] = gone
    arena.figures["work resumed within s"] = slowest
    arena.figures["recovered in s"] = site.wait()
    undone.verify(arena)
    schedules.save()
    schedules.verify(arena)
    waits.verify(arena)
    site.wait()
    site.verify(rolled_back=True)
    arena.figures["jobs finished"] = len(site.jobs)
    site.expect_alive()


def _crash(arena: Arena, server: LocalServer) -> int:
    """Kill the server, cut its log and start it again; records cut."""
    server.kill()
    assert server.data_dir is not None
    cut, _ = cut_tail(server.data_dir, _MOST, arena.rng.random())
    time.sleep(arena.rng.uniform(0.1, 1.0))
    server.restart()
    return cut


def forget_lost_jobs(site: Site) -> int:
    """Drop jobs from the site that the server does not know any more; how many."""
    link, keys = site.engine.store.link, site.engine.store.keys
    known = {job: link.call("EXISTS", keys.of("job", job)) for job in site.jobs}
    site.forget(*(job for job, found in known.items() if not found))
    return sum(not found for found in known.values())


ROUND = Round(
    row=8,
    name="log-cut",
    fault="The server dies and loses the end of its log",
    injection="`kill -9` with `appendfsync everysec`, the log cut at a record, then a restart",
    target="20 kills: the state is an older, consistent one, and every job in it ends, also those "
    "that wait; each time of a schedule has one job or is recorded as skipped",
    run=run,
    cut=0.05,
)
