"""Row 23: joins, staged emissions, windows, sub-flows, started jobs, while workers are killed."""

from __future__ import annotations

import signal
import time

from tests.chaos.harness import wide
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.faults import children, send
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site
from tests.chaos.harness.wide import Wide
from tests.support.fleet import Worker

_WIDE = Wide(size=450, groups=9)

#: With collections that are too large to be removed by the scripts that end them.
_LARGE = Wide(size=1400, groups=2)


def run(arena: Arena) -> None:
    faults = arena.times(60, least=4)
    site = arena.site(arena.server().url, imports=(wide.MODULE,), max_losses=1000)
    pools = arena.pools("threads", "gevent")
    workers = [site.start(pool=pool, wait=False) for pool in pools]
    site.fleet.wait_until_ready()
    for number in range(faults):
        site.fleet.wait_until_ready(*workers)
        if number % 15 == 0:
            site.submit(_LARGE)
        site.work(2, _WIDE, handlers=1 + arena.rng.randrange(300))
        place = arena.rng.randrange(len(workers))
        if number % 3 == 0:
            site.fleet.kill(workers[place])
            workers[place] = site.start(pool=pools[place], wait=False)
        elif number % 3 == 1:
            _kill_child(arena, workers[0])
        else:
            _pause(arena, site)
        site.fault_over()
    site.fleet.wait_until_ready(*workers)
    arena.figures["kills and pauses"] = faults
    arena.figures["recovered in s"] = site.wait()
    site.verify()
    _check_started(arena, site)
    arena.figures["invocations"] = sum(shape.invocations for shape in site.jobs.values())
    arena.figures["attempts lost"] = site.count("lost")


def _kill_child(arena: Arena, prefork: Worker) -> None:
    if pids := children(prefork.pid):
        send(arena.rng.choice(pids), signal.SIGKILL)


def _pause(arena: Arena, site: Site) -> None:
    """Pause a job with open joins and staged emissions, and resume it a little later."""
    running = [job for job in site.jobs if not site.ended(job)]
    if not running:
        return
    job = arena.rng.choice(running)
    site.engine.pause(job, "a fault of the harness")
    time.sleep(arena.rng.uniform(0, 0.2))
    site.engine.resume(job)


def _check_started(arena: Arena, site: Site) -> None:
    """Each group has started one job, whatever became of its first attempts."""
    expected = sum(1 + shape.groups for shape in site.jobs.values() if isinstance(shape, Wide))
    found = site.engine.overview.counts()
    arena.expect(
        found["completed"] == expected, f"I2 {found} jobs, where {expected} should have completed"
    )
    arena.figures["jobs"] = expected


ROUND = Round(
    row=23,
    name="wide-flows",
    fault="Faults hit wide flows",
    injection="SIGKILL, pause; joins, staged emissions, `max_in_flight`, sub-flows, child jobs",
    target="60 faults: I1 to I4 hold, every join fires once",
    run=run,
    cut=0.08,
)
