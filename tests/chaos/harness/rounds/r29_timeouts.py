"""Row 29: workers and the server die while attempts and jobs reach the end of their time."""

from __future__ import annotations

import time

from flowforge.engine.submission.job_template import JobTemplate
from flowforge.model.times.deadlines import NO_DEADLINES, deadlines_of
from tests.chaos.harness import timed
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.faults import interrupt
from tests.chaos.harness.killing import INJECTION
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site
from tests.support.fleet import Worker

#: Steps of a job, and jobs that are submitted for each fault.
_STEPS, _JOBS = 6, 2

#: Pools of the workers: children that are ended, and threads that cannot be.
_POOLS = ("prefork", "threads")

#: How often a job that has missed its deadline is retried with a new one.
_RETRIES = 2


def run(arena: Arena) -> None:
    server = arena.server(durable=True, appendfsync="always")
    site = arena.site(server.url, max_losses=1000, imports=[timed.MODULE])
    workers = [_worker(site, pool) for pool in _POOLS]
    site.fleet.wait_until_ready()
    jobs: list[str] = []
    for number in range(faults := arena.times(40, least=2)):
        jobs += [_submit(arena, site) for _ in range(_JOBS)]
        time.sleep(arena.rng.uniform(0.2, 0.8))
        if number % 2:
            interrupt(server, arena.rng)
        else:
            place = arena.rng.randrange(len(workers))
            site.fleet.kill(workers[place])
            workers[place] = _worker(site, _POOLS[place])
        ended = [worker.name for worker in workers if not worker.alive]
        arena.expect(not ended, f"workers ended by themselves: {ended}")
    site.fault_over()
    arena.figures["faults"] = faults
    missed = _see_to_their_end(arena, site, jobs)
    arena.figures["recovered in s"] = site.since_fault()
    site.verify()
    inspector = site.engine.inspector
    kinds = [entry.kind for job_id in jobs for entry in inspector.history(job_id)]
    arena.figures["invocations"] = len(jobs) * (_STEPS + 1)
    arena.figures["attempts timed out"] = kinds.count("skipped")
    arena.figures["attempts lost"] = kinds.count("lost")
    arena.figures["deadlines missed"] = missed
    for job_id in jobs:
        outputs = len(inspector.outputs(job_id))
        for what in timed.wrong_outcomes(inspector.history(job_id), outputs, _STEPS):
            arena.violate(f"I2 {what} (job {job_id})")


def _submit(arena: Arena, site: Site) -> str:
    within = arena.rng.choice([None, arena.rng.uniform(0.2, 2.0)])
    deadlines = NO_DEADLINES if within is None else deadlines_of(None, within)
    template = JobTemplate(timed.FLOW, "source", deadlines=deadlines)
    return site.engine.submit(template, timed.steps_of(arena.rng, _STEPS))


def _see_to_their_end(arena: Arena, site: Site, jobs: list[str]) -> int:
    """Wait for the jobs, and retry those that miss their deadlines; how often that was."""
    missed = 0
    for turn in range(_RETRIES + 1):
        jobs = [job_id for job_id in jobs if _is_late(arena, site, job_id)]
        missed += len(jobs)
        for job_id in jobs:
            # The last retry has no deadline.
            finish_ms = int(arena.rng.uniform(100, 1000)) if turn < _RETRIES - 1 else 0
            site.engine.retry(job_id, finish_ms=finish_ms)
    for job_id in jobs:
        arena.violate(f"I3 job {job_id} misses a deadline that it has not")
    return missed


def _is_late(arena: Arena, site: Site, job_id: str) -> bool:
    """Whether the job has failed for its deadline; otherwise it has to be completed."""
    try:
        status = site.engine.wait(job_id, 60)
    except TimeoutError as error:
        arena.violate(f"I4 {error}")
        return False
    problem = site.engine.inspector.error(job_id) or {}
    if status == "failed" and problem.get("type") == "NotFinishedInTime":
        return True
    if status != "completed":
        arena.violate(f"I3 job {job_id} has {status}: {problem}")
    return False


def _worker(site: Site, pool: str) -> Worker:
    return site.start(pool=pool, concurrency=4, wait=False)


ROUND = Round(
    row=29,
    name="timeouts",
    fault="Workers and the server die while attempts and jobs reach the end of their time",
    injection=INJECTION,
    target="40 faults: each invocation has exactly one outcome, and each output that of its commit",
    run=run,
    cut=0.04,
)
