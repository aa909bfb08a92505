"""Row 35: workers and the server die while calls are debounced and jobs wait for their turns."""

from __future__ import annotations

import time

from tests.chaos.harness import keyed
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.checker import Story
from tests.chaos.harness.killing import INJECTION, KilledSite
from tests.chaos.harness.round import Round
from tests.support.eventually import eventually

#: Seconds behind the last fault until all turns are over.
_LIMIT = 60.0


def run(arena: Arena) -> None:
    killed = KilledSite(arena, imports=[keyed.__name__])
    site = killed.site
    killed.start()
    callers = keyed.Callers(site.engine, arena.rng)
    with callers:
        for number in range(killed.faults):
            time.sleep(arena.rng.uniform(0.2, 1.2))
            killed.kill(number)
    site.fault_over()
    eventually(lambda: all(map(site.ended, callers.job_ids)), _LIMIT, "the end of all jobs")
    engine, lines = site.engine, site.lines()
    arena.figures["faults"] = killed.faults
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


ROUND = Round(
    row=35,
    name="keys",
    fault="Workers and the server die while calls are debounced and jobs wait for their turns",
    injection=INJECTION,
    target="40 faults: each call is in one job or recorded as skipped or replaced; of a single key "
    "never two run; no key is left",
    run=run,
    cut=0.05,
)
