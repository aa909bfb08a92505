"""Row 30: workers and the server die while jobs fail, are cancelled, and are undone."""

from __future__ import annotations

import time

from flowforge.engine.submission.job_template import JobTemplate
from tests.chaos.harness import undoing
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.killing import INJECTION, KilledSite
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site
from tests.support.eventually import eventually

#: Nodes of a tree, and the sleep of each handler.
_SIZE, _MICROS = 40, 2000

#: Jobs that are submitted for each fault: some fail by themselves, the others are cancelled.
_JOBS = 4

#: Seconds until all is undone, behind the last fault.
_LIMIT = 60.0


def run(arena: Arena) -> None:
    killed = KilledSite(arena, imports=[undoing.__name__])
    site = killed.site
    killed.start()
    jobs: list[str] = []
    for number in range(killed.faults):
        to_cancel = []
        for place in range(_JOBS):
            job_id = _submit(site, fails=place % 2 == 0)
            jobs.append(job_id)
            if place % 2:
                to_cancel.append(job_id)
        time.sleep(arena.rng.uniform(0.02, 0.4))
        for job_id in to_cancel:
            if not site.ended(job_id):
                site.engine.cancel(job_id, "the round", undo=True)
        time.sleep(arena.rng.uniform(0.0, 0.4))
        killed.kill(number)
    site.fault_over()
    engine = site.engine
    # One that was to be cancelled and had completed by then has nothing to undo.
    jobs = [one for one in jobs if engine.inspector.status(one) != "completed"]
    eventually(lambda: all(undoing.is_undone(engine, one) for one in jobs), _LIMIT)
    arena.figures["faults"] = killed.faults
    arena.figures["recovered in s"] = site.since_fault()
    arena.figures["jobs undone"] = len(jobs)
    arena.figures["compensations"] = sum(undoing.compensations(engine, one) for one in jobs)
    for job_id in jobs:
        for what in undoing.wrongly_undone(engine, job_id):
            arena.violate(f"I2 {what}")
    site.verify()


def _submit(site: Site, *, fails: bool) -> str:
    flow = undoing.undo_flow()
    params = {"i": 0, "size": _SIZE, "micros": _MICROS, "fails": fails}
    return site.engine.submit(JobTemplate(flow, "step"), params)


ROUND = Round(
    row=30,
    name="undo",
    fault="Workers and the server die while jobs fail, are cancelled, and are undone",
    injection=INJECTION,
    target="40 faults: each committed step is undone once, the latest first; nothing is left over",
    run=run,
    cut=0.05,
)
