"""Row 19: the workers' clocks are one hour ahead and one hour behind; the server's is right."""

from __future__ import annotations

import time

from flowforge.engine.submission.job_template import JobTemplate
from tests.chaos.harness import flaky, skew
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.flaky import DELAY, FAILURES, FLAKY
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site

_HOUR = 3600

#: Seconds by which a retry may come early (the clock's grain) and late (upkeep, a busy machine).
_EARLY, _LATE = 0.05, 2.0

#: Handlers that run for longer than a lease: only heartbeats keep them.
_LONG = Tree(4, micros=2_500_000)
_SHORT = Tree(300, micros=1000)


def run(arena: Arena) -> None:
    retried = arena.times(100, least=10)
    site = arena.site(arena.server().url, imports=(skew.MODULE, flaky.MODULE))
    # Whichever of them leads the upkeep has a wrong clock.
    for seconds, pool in ((_HOUR, "prefork"), (-_HOUR, "threads")):
        # Modules that are loaded after it take the other time.
        site.start(
            env=skew.environment(seconds), pool=pool, concurrency=4, wait=False, by_command=True
        )
    site.fleet.wait_until_ready()
    site.fault_over()
    jobs = [site.engine.submit(JobTemplate(FLAKY, "flaky")) for _ in range(retried)]
    for tree in (_LONG, *[_SHORT] * max(1, arena.times(5))):
        site.submit(tree)
    site.wait(60)
    gaps = [gap for job in jobs for gap in _gaps(site, job)]
    _check_clocks(arena, site)
    arena.figures["retries"] = len(gaps)
    arena.expect(len(gaps) == retried * FAILURES, f"{len(gaps)} retries, not {retried * FAILURES}")
    arena.figures["earliest retry after s"] = min(gaps)
    arena.figures["latest retry after s"] = max(gaps)
    arena.expect(min(gaps) >= DELAY - _EARLY, f"a retry came after {min(gaps)} s of {DELAY} s")
    arena.expect(max(gaps) <= DELAY + _LATE, f"a retry came after {max(gaps)} s of {DELAY} s")
    lost = site.count("lost")
    arena.figures["leases that expired early"] = lost
    arena.expect(lost == 0, f"{lost} leases of living workers expired")
    site.verify()


def _gaps(site: Site, job: str) -> list[float]:
    """Seconds by the server's clock from each failure to the start of the next attempt."""
    site.engine.wait(job, 60)
    ends = [e for e in site.engine.inspector.history(job) if e.kind in ("retried", "completed")]
    starts = [e.at.timestamp() - e.details["seconds"] for e in ends]
    return [start - e.at.timestamp() for e, start in zip(ends, starts[1:], strict=False)]


def _check_clocks(arena: Arena, site: Site) -> None:
    """The ledger was written with the wrong clocks: else this round shows nothing."""
    off = {round((line.at / 1e9 - time.time()) / _HOUR) for line in site.lines()}
    arena.expect(off == {1, -1}, f"the workers' clocks were off by {off} hours")


ROUND = Round(
    row=19,
    name="clock-skew",
    fault="Clocks are wrong",
    injection="worker clocks are one hour slow or fast",
    target="no lease expires early, no timer is late",
    run=run,
    cut=0.1,
)
