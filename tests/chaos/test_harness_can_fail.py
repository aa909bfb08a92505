"""The checker turns red when what the promise rests on is switched off."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.chaos.harness import sabotage
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.faults import freeze, thaw
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.round import Round, play
from tests.chaos.harness.rounds import r06_reply_lost
from tests.support.eventually import eventually

#: I4 in these tests: seconds beyond the lease. Intact, all of them recover within three.
_END_LIMIT = 4.0


def _one_worker_dies(arena: Arena) -> None:
    site = arena.site(arena.server().url)
    site.start(concurrency=1)
    victim = site.start(concurrency=1)
    tree = Tree(40, micros=20_000)
    site.work(1, tree, handlers=10)
    site.fleet.kill(victim)
    site.fault_over()
    site.wait()
    site.verify()


def _entry_comes_twice(arena: Arena) -> None:
    server = arena.server()
    site = arena.site(server.url)
    # The handler outlasts the way of the second message to another process.
    site.submit(Tree(9, branch=8, micros=300_000))
    with redis.Redis.from_url(server.url) as client:
        name = f"{site.settings.prefix}:celery"
        client.lpush(name, client.lindex(name, 0))
    site.start(concurrency=3)
    site.fault_over()
    site.wait()
    site.verify()


def _worker_wakes_up(arena: Arena) -> None:
    """The first late commit comes before any other attempt: there is no other worker for it.

    A second attempt that ends first makes a late commit a repeat, which is refused without the
    fence too.
    """
    site = arena.site(arena.server().url, max_losses=1000)
    site.start(concurrency=1, queues="none")
    sleeper = site.start(concurrency=2)
    site.work(2, Tree(1, micros=1_000_000), handlers=2)
    pids = freeze(sleeper)
    ended = sum(line.kind != "start" for line in site.lines())
    running = site.started() - ended
    limit = site.settings.lease + 15
    eventually(lambda: site.count("lost") >= running, limit, "leases to be taken back")
    thaw(pids)
    site.fault_over()
    site.wait()
    site.verify()


def _round(run: Callable[[Arena], None]) -> Round:
    return Round(0, "sabotaged", "", "", "", run)


#: What is switched off -> a fault that it protects from, and what the checker must say. Without the
#: fence, a late commit takes the record from the claim that has come since, which fails the job; or
#: it is one more end than there were claims.
CASES = {
    "dedupe": (r06_reply_lost.ROUND, ("I2 invocation",)),
    "fence": (_round(_worker_wakes_up), ("I1 the job is failed", "I3 node:")),
    "lease check": (_round(_entry_comes_twice), ("I2 invocation",)),
    "upkeep": (_round(_one_worker_dies), ("I4 job",)),
}


@pytest.mark.parametrize("way", sabotage.WAYS)
def test_turns_red(way: str, tmp_path: Path) -> None:
    """Without this protection a fault is told by the invariant that it breaks."""
    one, told = CASES[way]
    env = sabotage.environment(way)
    violations = _play(one, tmp_path, imports=[sabotage.MODULE], env=env)
    assert any(text.startswith(told) for text in violations), violations


@pytest.mark.parametrize("run", [_one_worker_dies, _entry_comes_twice, _worker_wakes_up])
def test_stays_green(run: Callable[[Arena], None], tmp_path: Path) -> None:
    """Intact, the engine passes the faults that only these tests use."""
    assert _play(_round(run), tmp_path) == []


def _play(one: Round, directory: Path, **options: Any) -> list[str]:
    seed = secrets.randbits(32)
    result = play(one, directory, seed, 0.01, end_limit=_END_LIMIT, **options)
    print(f"seed {seed}", *result.violations, sep="\n")
    return result.violations
