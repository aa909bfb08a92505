"""Row 26: the leader, or the server, is killed while bulk operations pause and resume many jobs."""

from __future__ import annotations

import time
from collections import Counter

from flowforge.engine.bulk.bulk import Bulk, new_bulk
from flowforge.engine.bulk.selection import Listed
from flowforge.engine.bulk.start import start_bulk
from flowforge.model.jobs.bulk import BulkAction, BulkStatus
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.faults import interrupt
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.killing import INJECTION
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site
from tests.support.eventually import eventually
from tests.support.fleet import Worker

_TREE = Tree(12, micros=2000)

#: Jobs that an operation is about, and jobs a second that it may act on.
_JOBS = 100
_RATE = 200.0

#: Seconds within which an operation ends after a fault: a new leader takes six.
_LIMIT = 40.0

_WORKERS = 3

#: What an operation leaves in the history of a job.
_KINDS = {BulkAction.PAUSE: "paused", BulkAction.RESUME: "resumed"}


def run(arena: Arena) -> None:
    server = arena.server(durable=True, appendfsync="always")
    site = arena.site(server.url, max_losses=1000)
    workers = [site.start(pool="threads", wait=False) for _ in range(_WORKERS)]
    site.fleet.wait_until_ready()
    operations = arena.times(20, least=2)
    done: Counter[BulkAction] = Counter()
    recovered = 0.0
    for number in range(operations):
        jobs = [site.submit(_TREE) for _ in range(_JOBS)]
        for action in _KINDS:
            bulk = _start(site, action, jobs)
            time.sleep(arena.rng.uniform(0, 0.5))
            if (number + len(done)) % 3 == 0:
                interrupt(server, arena.rng)
            else:
                _kill_worker(arena, site, workers)
            site.fault_over()
            _end(arena, bulk, waits=arena.rng.random() < 0.5)
            progress = bulk.progress
            done[action] += progress.done
            arena.expect(
                progress.done + progress.refused == progress.matched == len(jobs),
                f"a bulk operation came to {progress.done + progress.refused} of {len(jobs)} jobs",
            )
        recovered = max(recovered, site.wait())
    arena.figures["operations"] = 2 * operations
    arena.figures["jobs paused"], arena.figures["jobs resumed"] = (done[a] for a in _KINDS)
    arena.figures["recovered in s"] = recovered
    site.verify()
    for action, kind in _KINDS.items():
        found = site.count(kind)
        arena.expect(found == done[action], f"{found} jobs were {kind}, {done[action]} counted")
    arena.expect(done[BulkAction.PAUSE] > 0, "no job was paused")


def _start(site: Site, action: BulkAction, jobs: list[str]) -> Bulk:
    selection = Listed([(job_id, site.engine) for job_id in jobs])
    new = new_bulk(action, selection, "a fault of the harness", _RATE, "harness")
    return Bulk(start_bulk([site.engine], *new), [site.engine])


def _kill_worker(arena: Arena, site: Site, workers: list[Worker]) -> None:
    """Any of them, which may lead; another one takes its place."""
    site.fleet.kill(workers.pop(arena.rng.randrange(len(workers))))
    workers.append(site.start(pool="threads", wait=False))


def _end(arena: Arena, bulk: Bulk, *, waits: bool) -> None:
    """``waits``: the caller does the pieces with the leader; else the leader does them alone."""
    if waits:
        bulk.wait(_LIMIT)
    else:
        ended = BulkStatus.DONE
        eventually(lambda: bulk.progress.status == ended, _LIMIT, "the bulk operation to end")


ROUND = Round(
    row=26,
    name="bulk",
    fault="The leader or the server dies in the middle of a bulk operation",
    injection=INJECTION,
    target="40 operations on 100 jobs: each comes to each of its jobs once, I1 to I4 hold",
    run=run,
    cut=0.05,
)
