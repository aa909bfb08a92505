"""Row 30: workers and one of two servers die while jobs fail, are cancelled, and are undone."""

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
    killed = KilledSite(arena, servers=2, imports=[undoing.__name__])
    sites = [killed.site, *killed.others]
    killed.start()
    jobs: dict[str, Site] = {}
    for number in range(killed.faults):
        fresh = {_submit(sites[n % 2], fails=n < _JOBS / 2): sites[n % 2] for n in range(_JOBS)}
        jobs |= fresh
        time.sleep(arena.rng.uniform(0.02, 0.4))
        for job_id, site in list(fresh.items())[_JOBS // 2 :]:
            if not site.ended(job_id):
                site.engine.cancel(job_id, "the round", undo=True)
        time.sleep(arena.rng.uniform(0.0, 0.4))
        killed.kill(number)
    killed.fault_over()
    # One that was to be cancelled and had completed by then has nothing to undo.
    jobs = {
        job_id: site
        for job_id, site in jobs.items()
        if site.engine.inspector.status(job_id) != "completed"
    }
    eventually(
        lambda: all(undoing.is_undone(site.engine, job_id) for job_id, site in jobs.items()), _LIMIT
    )
    arena.figures["faults"] = killed.faults
    arena.figures["recovered in s"] = killed.site.since_fault()
    arena.figures["jobs undone"] = len(jobs)
    arena.figures["compensations"] = sum(
        undoing.compensations(site.engine, job_id) for job_id, site in jobs.items()
    )
    for job_id, site in jobs.items():
        for what in undoing.wrongly_undone(site.engine, job_id):
            arena.violate(f"I2 {what}")
    for site in sites:
        site.verify()


def _submit(site: Site, *, fails: bool) -> str:
    flow = undoing.undo_flow()
    params = {"i": 0, "size": _SIZE, "micros": _MICROS, "fails": fails}
    return site.engine.submit(JobTemplate(flow, "step"), params)


ROUND = Round(
    row=30,
    name="undo",
    fault="Workers and one of two servers die while jobs fail, are cancelled, and are undone",
    injection=INJECTION,
    target="40 faults: each committed step is undone once, the latest first; nothing is left over",
    run=run,
    cut=0.05,
)
