"""Row 9: the primary is killed, and a Sentinel promotes the replica.

Replication is asynchronous: what the replica had not got yet is lost, as after a cut log.
"""

from __future__ import annotations

import time

from tests.chaos.harness import undoing, waiting
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.round import Round
from tests.chaos.harness.rounds.r08_log_cut import forget_lost_jobs
from tests.chaos.harness.scheduling import Schedules
from tests.chaos.harness.sentinel import Cluster
from tests.chaos.harness.waiting import WaitingJobs

#: Seconds from the kill until every worker must be given messages again.
_RESUMED = 30.0

_TREE = Tree(200, micros=3000)


def run(arena: Arena) -> None:
    cluster: Cluster = arena.own(Cluster())
    imports = [undoing.__name__, *waiting.IMPORTS]
    site = arena.site(cluster.url, max_losses=1000, imports=imports, end_limit=60.0)
    undone = undoing.UndoneJobs(site)
    waits = WaitingJobs(site, arena.rng)
    schedules = Schedules(site)
    site.start_pools(*arena.pools("threads", "gevent"))
    failovers = arena.times(10)
    gone = 0
    slowest = 0.0
    for _ in range(failovers):
        undone.submit(2, cancel=True)
        waits.submit()
        schedules.save()
        site.work(3, _TREE, handlers=1 + arena.rng.randrange(100))
        killed = cluster.fail_over()
        gone += forget_lost_jobs(site)
        site.resumed(3, _TREE, _RESUMED)
        slowest = max(slowest, time.monotonic() - killed)
    arena.figures["failovers"] = failovers
    arena.expect(slowest <= _RESUMED, f"I4 consuming again only after {slowest:.1f} s")
    arena.figures["work resumed within s"] = slowest
    arena.figures["recovered in s"] = site.wait()
    undone.verify(arena)
    schedules.save()
    schedules.verify(arena)
    waits.verify(arena)
    site.wait()
    site.verify(rolled_back=True)
    arena.figures["jobs finished"] = len(site.jobs)
    arena.figures["jobs lost with the log"] = gone
    site.expect_alive()


ROUND = Round(
    row=9,
    name="failover",
    fault="Sentinel promotes a replica",
    injection="`kill -9` to the primary; clients have a Sentinel URL",
    target="10 failovers: work resumes within 30 s, no job is stuck, also none that waits; each "
    "time of a schedule has one job or is recorded as skipped",
    run=run,
    cut=0.1,
)
