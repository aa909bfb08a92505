"""Row 7: the server is killed under load, with every write synced, and started again."""

from __future__ import annotations

from flowforge.local.server import LocalServer
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.faults import interrupt
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site

_TREE = Tree(200, micros=3000)


def run(arena: Arena) -> None:
    server = arena.server(durable=True, appendfsync="always")
    site = arena.site(server.url, max_losses=1000)
    site.start_pools(*arena.pools("threads", "gevent", "solo"))
    resumed = [crash(arena, site, server) for _ in range(arena.times(20))]
    arena.figures["kills"] = len(resumed)
    arena.figures["work resumed within s"] = max(resumed)
    arena.figures["recovered in s"] = site.wait()
    site.verify()
    arena.figures["invocations"] = sum(tree.invocations for tree in site.jobs.values())
    arena.figures["attempts lost"] = site.count("lost")
    site.expect_alive()


def crash(arena: Arena, site: Site, server: LocalServer) -> float:
    """Kill and restart the server under load; seconds until every worker runs handlers again."""
    site.work(3, _TREE, handlers=1 + arena.rng.randrange(50))
    interrupt(server, arena.rng, 2.0)
    return site.resumed(3, _TREE)


ROUND = Round(
    row=7,
    name="server-killed",
    fault="The server dies and loses nothing",
    injection="`kill -9` with `appendfsync always`, then a restart",
    target="20 kills: workers go on without a restart, I1 to I4 hold",
    run=run,
    cut=0.05,
)
