"""Row 13: the server's memory limit is lowered below what it holds, and raised again, live."""

from __future__ import annotations

import time

import redis

from tests.chaos.harness.arena import Arena
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.round import Round

#: Seconds without memory.
_SHORTEST, _LONGEST = 0.5, 4.0

_TREE = Tree(200, micros=2000)


def run(arena: Arena) -> None:
    rounds = arena.times(10)
    server = arena.server()
    site = arena.site(server.url, max_losses=1000)
    site.start_pools(*arena.pools("threads", "gevent"))
    refused = full = 0
    resumed = []
    with redis.Redis.from_url(server.url) as client:
        for _ in range(rounds):
            site.work(3, _TREE, handlers=1 + arena.rng.randrange(50))
            before = _refusals(client)
            client.config_set("maxmemory", 100_000)
            full += _is_full(client)
            time.sleep(arena.rng.uniform(_SHORTEST, _LONGEST))
            client.config_set("maxmemory", 0)
            refused += _refusals(client) - before
            resumed.append(site.resumed(3, _TREE))
    arena.figures["times out of memory"] = rounds
    arena.figures["commands refused"] = refused
    arena.expect(full == rounds, f"the server was full {full} times of {rounds}")
    arena.figures["work resumed within s"] = max(resumed)
    arena.figures["recovered in s"] = site.wait()
    site.verify()
    arena.figures["attempts lost"] = site.count("lost")
    site.expect_alive()


def _is_full(client: redis.Redis) -> bool:
    """Whether the server refuses a write that takes memory."""
    try:
        client.set("probe", 1)
    except redis.exceptions.OutOfMemoryError:
        return True
    return False


def _refusals(client: redis.Redis) -> int:
    """Errors of kind OOM that the server has answered so far."""
    return sum(
        int(stat["count"])
        for name, stat in client.info("errorstats").items()
        if name == "errorstat_OOM"
    )


ROUND = Round(
    row=13,
    name="out-of-memory",
    fault="The server runs out of memory",
    injection="`maxmemory` is lowered and raised, policy `noeviction`",
    target="work stops, then goes on: I1 to I4 hold",
    run=run,
    cut=0.1,
)
