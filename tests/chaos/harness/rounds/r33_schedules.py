"""Row 33: leaders and the server die while schedules start jobs."""

from __future__ import annotations

import time

from flowforge.store.lease_tokens import owner_of
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.faults import interrupt
from tests.chaos.harness.round import Round
from tests.chaos.harness.scheduling import Schedules
from tests.chaos.harness.site import Site
from tests.support.fleet import Worker

_WORKERS = 3


def run(arena: Arena) -> None:
    server = arena.server(durable=True, appendfsync="always")
    site = arena.site(server.url, max_losses=1000)
    workers = [_worker(site) for _ in range(_WORKERS)]
    site.fleet.wait_until_ready()
    schedules = Schedules(site)
    schedules.save()
    faults = arena.times(40, least=3)
    for number in range(faults):
        time.sleep(arena.rng.uniform(0.2, 2.0))
        if number % 3 == 2:
            interrupt(server, arena.rng, 2.0)
        else:
            site.fleet.kill(_leader(site, workers))
            workers = [one for one in workers if one.alive]
            workers.append(_worker(site))
    site.fault_over()
    arena.figures["faults"] = faults
    schedules.verify(arena)
    arena.figures["recovered in s"] = site.wait()
    site.verify()


def _leader(site: Site, workers: list[Worker]) -> Worker:
    """The worker that leads; any while none does."""
    raw = site.engine.store.link.call("GET", site.engine.store.keys.of("leader")) or b""
    pid = owner_of(raw.decode().rpartition("/")[2]).pid
    return next((one for one in workers if one.pid == pid), workers[0])


def _worker(site: Site) -> Worker:
    return site.start(pool="threads", concurrency=2, wait=False)


ROUND = Round(
    row=33,
    name="schedules",
    fault="The leader and the server die while schedules start jobs",
    injection="SIGKILL to the leader, or `kill -9` to the server with `appendfsync always`",
    target="40 faults: each time has one job or is recorded as skipped, I1 to I4 hold",
    run=run,
    cut=0.05,
)
