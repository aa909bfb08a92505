"""Row 14: some routines kill every worker that runs them; the others' work must go on."""

from __future__ import annotations

from collections import Counter

from flowforge.engine.jobs.job_state import JobState
from flowforge.engine.submission.job_template import JobTemplate
from tests.chaos.harness import poison
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.poison import POISON
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site
from tests.support.eventually import eventually
from tests.support.fleet import Worker

_TREE = Tree(300, micros=1000)

#: Seconds within which a poisonous job must have been quarantined, other work in between.
_LIMIT = 60.0


def run(arena: Arena) -> None:
    poisonous = arena.times(20, least=2)
    site = arena.site(arena.server().url, imports=(poison.MODULE,))
    # A prefork worker loses a child each time, the others themselves: they are started again.
    pools = ("prefork", "threads", "solo")
    workers = {pool: site.start(pool=pool, wait=False) for pool in pools}
    site.fleet.wait_until_ready()
    jobs: list[str] = []
    deaths = 0
    while len(jobs) < poisonous or not all(map(site.ended, jobs)):
        site.feed(3, _TREE)
        if len(jobs) < poisonous and sum(not site.ended(job) for job in jobs) < 2:
            jobs.append(site.engine.submit(JobTemplate(POISON, "poison")))
            site.fault_over()
        deaths += _replace_dead(site, workers)
        if site.since_fault() > _LIMIT:
            break
    site.fault_over()
    eventually(lambda: _replace_dead(site, workers) == 0, _LIMIT, "workers that live")
    arena.figures["poisonous jobs"] = len(jobs)
    arena.figures["whole workers lost"] = deaths
    _check_quarantine(arena, site, jobs)
    arena.figures["recovered in s"] = site.wait()
    site.verify()
    arena.figures["attempts of others lost"] = site.count("lost")
    arena.figures["invocations"] = sum(tree.invocations for tree in site.jobs.values())


def _replace_dead(site: Site, workers: dict[str, Worker]) -> int:
    dead = [pool for pool, worker in workers.items() if not worker.alive]
    for pool in dead:
        workers[pool] = site.start(pool=pool)
    return len(dead)


def _check_quarantine(arena: Arena, site: Site, jobs: list[str]) -> None:
    inspector = site.engine.inspector
    most = site.settings.max_losses
    starts = Counter(line.job_id for line in site.lines() if line.kind == "start")
    for job in jobs:
        told = inspector.reason(job)
        arena.expect(
            inspector.status(job) == "failed" and told == "quarantined",
            f"poisonous job {job} is {inspector.status(job)} {told}",
        )
        state = JobState(job, site.engine)
        lost = state.routine_states["poison"]["lost"]
        arena.expect(lost == most, f"a poisonous job lost {lost} workers, not {most}")
        # One poison may take another with it that had not begun.
        arena.expect(
            1 <= starts[job] <= most, f"a poisonous handler started {starts[job]} times of {most}"
        )
        arena.expect(state.error, f"poisonous job {job} tells no error")
    arena.figures["quarantined"] = sum(inspector.status(job) == "failed" for job in jobs)


ROUND = Round(
    row=14,
    name="poison",
    fault="A handler kills its worker",
    injection="a routine sends SIGKILL to its own process",
    target="its invocation is quarantined after 3 workers, other jobs complete",
    run=run,
    cut=0.1,
)
