"""Row 32: workers and the server die while work waits for places of limits."""

from __future__ import annotations

import time

from tests.chaos.harness import limiting
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.killing import INJECTION, KilledSite
from tests.chaos.harness.ledger import read
from tests.chaos.harness.limiting import (
    JOBS,
    RATE,
    RUNNING,
    LimitedTree,
    Looks,
    WholeTree,
    allowed_starts,
    most_starts,
)
from tests.chaos.harness.round import Round

#: Trees that are submitted for each fault, each with a key of its own.
_TREES = tuple(LimitedTree(size, micros=20_000) for size in (30, 31, 32))

#: Trees of which two have begun and not ended at once, however many wait.
_WHOLE = (WholeTree(12, micros=10_000),) * 2

#: A tree of a flow without limits, which lives on the other server.
_UNLIMITED = Tree(20, micros=5000)


def run(arena: Arena) -> None:
    killed = KilledSite(arena, servers=2, imports=[limiting.__name__], end_limit=60.0)
    site, (other,) = killed.site, killed.others
    # So it is the home server of limits.
    site.engine.limits.declare([RUNNING, RATE, JOBS])
    killed.start()
    looks = Looks(site.engine)
    for number in range(killed.faults):
        for tree in (*_TREES, *_WHOLE):
            site.submit(tree)
        other.submit(_UNLIMITED)
        time.sleep(arena.rng.uniform(0.3, 1.2))
        looks.fault()
        killed.kill(number)
    killed.fault_over()
    arena.figures["faults"] = killed.faults
    arena.figures["recovered in s"] = max(one.wait() for one in (site, other))
    looks.end()
    for one in (site, other):
        one.verify()
    arena.figures["invocations"] = sum(tree.invocations for tree in site.jobs.values())
    arena.figures["attempts lost"] = site.count("lost")
    arena.figures["looks at all places"] = looks.number
    arena.figures["most attempts of a key at once"] = looks.most[RUNNING.name]
    arena.figures["most jobs of a key at once"] = looks.most[JOBS.name]
    limited = {job for job, tree in site.jobs.items() if not isinstance(tree, WholeTree)}
    lines = [line for line in read(site.ledger) if line.job_id in limited]
    arena.figures["most starts in a second"] = starts = most_starts(lines, 1.0)
    arena.expect(starts <= allowed_starts(), f"I5 {starts} starts in a second")
    full = {limit.name: limit.settings.running for limit in (RUNNING, JOBS)}
    arena.expect(looks.most == full, f"a key was never full: {looks.most}")
    for what in looks.violations[:20]:
        arena.violate(what)
    for used in site.engine.limits.in_use():
        left = used.usage.running + used.usage.reserved + used.usage.waiting
        arena.expect(left == 0, f"I5 {left} are left at {used.usage.key}")
    here = [used.usage.key for used in other.engine.limits.in_use()]
    arena.expect(not here, f"I5 limits count on the other server too: {here}")


ROUND = Round(
    row=32,
    name="limits",
    fault="Workers and one of two servers die while work waits for places of limits",
    injection=INJECTION,
    target=(
        "40 faults: never more leases or jobs of a key than places, each place is of one, the "
        "rate holds, nothing waits for long while a place is free, I1 to I4 hold"
    ),
    run=run,
    cut=0.05,
)
