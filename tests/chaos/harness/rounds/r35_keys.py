"""Row 35: workers and the server die while calls are debounced and jobs wait for their turns."""

from __future__ import annotations

import time

from tests.chaos.harness import keyed
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.checker import Story
from tests.chaos.harness.faults import interrupt
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site
from tests.support.eventually import eventually
from tests.support.fleet import Worker

_WORKERS = 3

#: Seconds behind the last fault until all turns are over.
_LIMIT = 60.0


def run(arena: Arena) -> None:
    server = arena.server(durable=True, appendfsync="always")
    site = arena.site(server.url, max_losses=1000, imports=[keyed.__name__])
    workers = [_worker(site) for _ in range(_WORKERS)]
    site.fleet.wait_until_ready()
    faults, callers = arena.times(40, least=3), keyed.Callers(site.engine, arena.rng)
    with callers.calling():
        for number in range(faults):
            time.sleep(arena.rng.uniform(0.2, 1.2))
            if number % 3 == 2:
                interrupt(server, arena.rng)
            else:
                site.fleet.kill(workers.pop(arena.rng.randrange(len(workers))))
                workers.append(_worker(site))
    site.fault_over()
    eventually(lambda: all(map(site.ended, callers.job_ids)), _LIMIT, "the end of all jobs")
    engine, lines = site.engine, site.lines()
    arena.figures["faults"] = faults
    arena.figures["recovered in s"] = site.since_fault()
    arena.figures["debounced calls"] = len(callers.debounced)
    arena.figures["jobs of them"] = len({call.job_id for call in callers.debounced})
    arena.figures["calls with a single key"] = len(callers.single)
    arena.figures["attempts lost"] = sum(
        Story(engine.inspector.history(job_id)).lost for job_id in callers.job_ids
    )
    for what in keyed.check_debounced(engine, callers.debounced, lines):
        arena.violate(f"I2 {what}")
    for what in keyed.check_single(engine, callers.single, lines):
        arena.violate(f"I2 {what}")
    for what in keyed.keys_left(engine, callers):
        arena.violate(f"I3 {what}")
    site.verify()


def _worker(site: Site) -> Worker:
    return site.start(pool="threads", concurrency=2, wait=False)


ROUND = Round(
    row=35,
    name="keys",
    fault="Workers and the server die while calls are debounced and jobs wait for their turns",
    injection="SIGKILL to a worker, or `kill -9` to the server with `appendfsync always`",
    target="40 faults: each call is in one job or recorded as skipped or replaced; of a single key "
    "never two run; no key is left",
    run=run,
    cut=0.05,
)
