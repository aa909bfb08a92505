"""Row 4: a worker sleeps past its leases, wakes up, and tries to commit what others have done."""

from __future__ import annotations

import re
import time

from tests.chaos.harness.arena import Arena
from tests.chaos.harness.faults import children, freeze, thaw
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site
from tests.support.eventually import eventually
from tests.support.fleet import Worker

#: Handlers that run in the worker that is stopped.
_WIDTH = 4

#: Seconds that a worker may take from SIGCONT to its late commits.
_WAKING = 3.0

#: How a worker's log tells that a commit was refused.
_REFUSED = re.compile(
    r"invocation \S+ \(\S+\), completed, is not accepted: (?:the lease|it has been committed)"
)

#: A handler must still run when the worker is stopped: 0.3 s.
_TREE = Tree(24, branch=8, micros=300_000)

#: Times in a row that no zombie commits, before none is expected to any more.
_MISSES = 4


def run(arena: Arena) -> None:
    wanted = arena.times(40, least=_WIDTH)
    site = arena.site(arena.server().url, max_losses=1000)
    site.start(concurrency=_WIDTH)
    sleeper = site.start(concurrency=_WIDTH)
    refused = misses = 0
    # A zombie whose heartbeat is quicker than its handler learns of the loss and does not commit.
    while refused < wanted and misses < _MISSES:
        found = _sleep_past_lease(site, sleeper)
        refused += found
        misses = 0 if found else misses + 1
    arena.figures["late commits refused"] = refused
    arena.expect(refused >= wanted, f"only {refused} of {wanted} zombies tried to commit")
    arena.figures["recovered in s"] = site.wait()
    site.verify()
    arena.figures["attempts lost"] = site.count("lost")


def _sleep_past_lease(site: Site, sleeper: Worker) -> int:
    """Stop a worker within its handlers until others have done their work; refused commits."""
    before = len(_REFUSED.findall(sleeper.output()))

    def busy() -> bool:
        site.feed(2, _TREE)
        return _running_in(site, sleeper) >= _WIDTH

    eventually(busy, 30, "handlers in every process of the sleeper")
    pids = freeze(sleeper)
    running = _running_in(site, sleeper)
    lost = site.count("lost")
    limit = site.settings.lease + 15
    eventually(lambda: site.count("lost") >= lost + running, limit, "leases to be taken back")
    thaw(pids)
    site.fault_over()
    # Each wakes up in its handler, ends it and commits.
    until = time.monotonic() + _WAKING
    while (found := len(_REFUSED.findall(sleeper.output())) - before) < running:
        if time.monotonic() > until:
            break
        time.sleep(0.02)
    return found


def _running_in(site: Site, worker: Worker) -> int:
    """Handlers that have started in a worker and not ended."""
    pids = {worker.pid, *children(worker.pid)}
    running: set[tuple[str, int, int]] = set()
    for line in site.lines():
        if line.pid in pids:
            key = (line.job_id, line.number, line.attempt)
            running.add(key) if line.kind == "start" else running.discard(key)
    return len(running)


ROUND = Round(
    row=4,
    name="zombie",
    fault="A worker is cut off and comes back late",
    injection="SIGSTOP for longer than the lease, then SIGCONT",
    target="40 late commits are refused and create no invocations",
    run=run,
    cut=0.1,
)
