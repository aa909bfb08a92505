"""Row 28: workers and the server die while jobs and deliveries are put off."""

from __future__ import annotations

import time

from flowforge.engine.submission.job_template import JobTemplate
from flowforge.model.times.start import Start
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.delays import LaterTree, early_starts
from tests.chaos.harness.killing import INJECTION, KilledSite
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site

#: A tree of four levels: about a second of delays.
_TREE = LaterTree(60, micros=500)

#: Jobs that are submitted for each fault; each of them starts later than the one before.
_JOBS = 4
_APART_MS = 250


def run(arena: Arena) -> None:
    killed = KilledSite(arena)
    site = killed.site
    killed.start()
    delays: dict[str, int] = {}
    for number in range(killed.faults):
        for place in range(_JOBS):
            delays[_submit(site, place * _APART_MS)] = place * _APART_MS
        time.sleep(arena.rng.uniform(0.2, 1.2))
        killed.kill(number)
    site.fault_over()
    arena.figures["faults"] = killed.faults
    arena.figures["recovered in s"] = site.wait()
    site.verify()
    arena.figures["invocations"] = sum(tree.invocations for tree in site.jobs.values())
    arena.figures["attempts lost"] = site.count("lost")
    for job_id, tree in site.jobs.items():
        inspector = site.engine.inspector
        due = inspector.created_at(job_id).timestamp() * 1000 + delays[job_id]
        history, lines = list(inspector.history(job_id)), site.lines(job_id)
        assert isinstance(tree, LaterTree)
        for what in early_starts(history, lines, tree, due):
            arena.violate(f"I5 {what} (job {job_id})")


def _submit(site: Site, delay_ms: int) -> str:
    template = JobTemplate(_TREE.flow, _TREE.entry)
    start = Start("+", delay_ms) if delay_ms else None
    job_id = site.engine.submit(template, _TREE.params, start=start)
    site.jobs[job_id] = _TREE
    return job_id


ROUND = Round(
    row=28,
    name="delays",
    fault="Workers and the server die while jobs and deliveries are put off",
    injection=INJECTION,
    target="40 faults: no handler starts before its time, I1 to I4 hold",
    run=run,
    cut=0.05,
)
