"""Row 24: one fleet serves two servers; now one of them is killed or stopped, now the other."""

from __future__ import annotations

import signal
import time

from flowforge.local.server import LocalServer
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.faults import children, send
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site

_TREE = Tree(200, micros=3000)


def run(arena: Arena) -> None:
    servers = [arena.server(durable=True, appendfsync="always") for _ in range(2)]
    urls = ",".join(server.url for server in servers)
    one = arena.site(servers[0].url, urls, max_losses=1000)
    sites = [one, arena.site(servers[1].url, beside=one, max_losses=1000)]
    one.start_pools(*arena.pools("threads", "gevent", "solo"))
    resumed: list[float] = []
    meanwhile = 0
    faults = arena.times(12, least=2)
    for number in range(faults):
        place = arena.rng.randrange(2)
        sites[1 - place].feed(2, _TREE)
        sites[place].work(2, _TREE, handlers=1 + arena.rng.randrange(100))
        if number % 3 == 2:
            # Beside the outage: what was lost belongs to either server.
            send(arena.rng.choice(children(one.fleet.workers[0].pid)), signal.SIGKILL)
        meanwhile += _outage(arena, servers[place], sites[1 - place], kill=number % 2 == 0)
        resumed += [site.resumed(2, _TREE) for site in sites]
    arena.figures["outages"] = faults
    arena.figures["handlers ran for the other server meanwhile"] = meanwhile
    arena.figures["work resumed within s"] = max(resumed)
    arena.figures["recovered in s"] = max(site.wait() for site in sites)
    for site in sites:
        site.verify()
    trees = [tree for site in sites for tree in site.jobs.values()]
    arena.figures["invocations"] = sum(tree.invocations for tree in trees)
    arena.figures["attempts lost"] = sum(site.count("lost") for site in sites)
    one.expect_alive()


def _outage(arena: Arena, server: LocalServer, other: Site, *, kill: bool) -> int:
    """Take a server away for a moment; returns how many handlers began for the other one."""
    if kill:
        server.kill()
    else:
        send(server.pid, signal.SIGSTOP)
    before = _started(other)
    until = time.monotonic() + arena.rng.uniform(0.2, 3.0)
    while time.monotonic() < until:
        other.feed(2, _TREE)
        time.sleep(0.05)
    begun = _started(other) - before
    if kill:
        server.restart()
    else:
        send(server.pid, signal.SIGCONT)
    return begun


def _started(site: Site) -> int:
    """Handlers of this server's jobs; the ledger is that of both."""
    return sum(line.kind == "start" and line.job_id in site.jobs for line in site.lines())


ROUND = Round(
    row=24,
    name="several-servers",
    fault="One of two servers dies or stops",
    injection="`kill -9` or SIGSTOP to one server at a time, sometimes with a killed child",
    target="12 outages: I1 to I4 hold on both, workers go on without a restart",
    run=run,
    cut=0.15,
)
