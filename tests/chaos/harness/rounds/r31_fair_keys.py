"""Row 31: workers and the server die while fair keys take turns, and their queue is paused."""

from __future__ import annotations

import time

from flowforge.engine.fleet.queue import Queue
from flowforge.engine.submission.job_template import JobTemplate
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.killing import INJECTION, KilledSite
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site
from tests.support.eventually import eventually

_TREE = Tree(8, micros=2000)

#: Jobs of the tenant that has many, which are there before all others, and of the one that has few.
_MANY = 400
_FEW = 2

#: Jobs of the one tenant that may start while one of the other waits: what is in the broker, what
#: workers have popped and died with, and what the pauses of the queue put back before it.
_PASSED = 60

#: Seconds until the upkeep has counted again.
_LIMIT = 30.0


def run(arena: Arena) -> None:
    killed = KilledSite(arena)
    site = killed.site
    many = [_submit(site, "many") for _ in range(arena.times(_MANY, least=60))]
    killed.start()
    queue, few = Queue(site.engine.app.conf.task_default_queue, [site.engine]), list[str]()
    for number in range(killed.faults):
        few += [_submit(site, f"few-{place}") for place in range(_FEW)]
        if number % 4 == 1:
            queue.pause("a fault")
        time.sleep(arena.rng.uniform(0.2, 0.8))
        killed.kill(number)
        queue.resume()
    site.fault_over()
    arena.figures["faults"] = killed.faults
    arena.figures["recovered in s"] = site.wait()
    site.verify()
    arena.figures["attempts lost"] = site.count("lost")
    arena.figures["jobs of another tenant at most before a job"] = _check_turns(
        arena, site, many, few
    )
    order, keys = site.engine.store.fair_order, site.engine.store.keys
    eventually(lambda: not order.names(), _LIMIT, "an order without keys")
    left = site.engine.link.call("EXISTS", keys.of("queue_pauses"))
    arena.expect(not left, "I5 a queue is still paused")


def _check_turns(arena: Arena, site: Site, many: list[str], few: list[str]) -> int:
    """How many jobs of the one tenant have started before one of the others, at most."""
    began = [_started(site, job_id) for job_id in many]
    most = 0
    for job_id in few:
        created, started = (
            site.engine.inspector.created_at(job_id).timestamp(),
            _started(site, job_id),
        )
        passed = sum(created < one < started for one in began)
        most = max(most, passed)
        if passed > _PASSED:
            arena.violate(f"I5 {passed} jobs of another tenant started before job {job_id}")
    return most


def _started(site: Site, job_id: str) -> float:
    _, details = site.engine.inspector.describe(job_id)
    assert details.started_at is not None
    return details.started_at.timestamp()


def _submit(site: Site, key: str) -> str:
    template = JobTemplate(_TREE.flow, _TREE.entry, fair_key=key)
    job_id = site.engine.submit(template, _TREE.params)
    site.jobs[job_id] = _TREE
    return job_id


ROUND = Round(
    row=31,
    name="fair-keys",
    fault="Workers and the server die while fair keys take turns, and their queue is paused",
    injection=INJECTION,
    target="40 faults: at most 60 of 400 jobs of another tenant start before a job, nothing is "
    "left of the order, I1 to I4 hold",
    run=run,
    cut=0.05,
)
