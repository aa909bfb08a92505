"""Row 11: the network between the workers and the server is slow, torn, reset, or silently gone."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos.harness.arena import Arena
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.proxy import Proxy, Weather
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site

#: Seconds within which every worker must run handlers again.
_RESUMED = 60.0

#: Each kind of weather carries so many invocations, in jobs of so many nodes.
_INVOCATIONS, _SIZE = 2000, 100

#: Scale from which on connections also fall silent: kombu needs half a minute to notice.
_HALF_OPEN_FROM = 0.5

_WEATHER = {
    "latency": Weather(latency=(0.0, 0.02)),
    "partial writes": Weather(piece=11, torn=0.002),
    "reset": Weather(reset=0.01),
}


def run(arena: Arena) -> None:
    server = arena.server()
    proxy: Proxy = arena.own(Proxy(server.port, arena.rng))
    site = arena.site(server.url, proxy.url(server.url), max_losses=1000)
    site.start_pools(*arena.pools("threads", "gevent"), concurrency=3)
    for name, weather in _WEATHER.items():
        proxy.weather = weather
        slowest = _carry(arena, site)
        proxy.weather = Weather()
        arena.figures[f"{name}: work resumed within s"] = slowest
    if arena.scale >= _HALF_OPEN_FROM:
        slowest = _carry(arena, site, proxy.half_open)
        arena.figures["half-open: work resumed within s"] = slowest
    arena.figures["connections reset"] = proxy.resets
    arena.figures["recovered in s"] = site.wait()
    site.verify()
    arena.figures["invocations"] = sum(tree.invocations for tree in site.jobs.values())
    arena.figures["attempts lost"] = site.count("lost")
    site.expect_alive()


def _carry(arena: Arena, site: Site, strike: Callable[[], object] | None = None) -> float:
    """Run the invocations of one kind of weather; seconds until every worker was at work."""
    tree = Tree(_SIZE, micros=500)
    before = len(site.jobs)
    site.work(3, tree, handlers=20, limit=_RESUMED)
    if strike is not None:
        strike()
    slowest = site.resumed(3, tree, _RESUMED)
    wanted = arena.times(_INVOCATIONS, least=_SIZE)
    for _ in range(max(0, wanted // tree.invocations - (len(site.jobs) - before))):
        site.submit(tree)
    # In this weather the end may take longer than I4 gives once it is over.
    site.wait(120.0)
    return slowest


ROUND = Round(
    row=11,
    name="network",
    fault="The network is slow or broken",
    injection="a proxy adds latency, splits writes, resets connections, and leaves them half-open",
    target="2,000 invocations each: I1 to I3 hold, work resumes within 60 s",
    run=run,
    cut=0.05,
)
