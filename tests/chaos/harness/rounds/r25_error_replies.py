"""Row 25: the server answers with errors for some time, in place of what it is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable

import redis

from tests.chaos.harness.arena import Arena
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.round import Round

#: Seconds that a server refuses.
_SHORTEST, _LONGEST = 0.2, 2.0

_TREE = Tree(200, micros=2000)


def _fill(client: redis.Redis) -> None:
    client.config_set("maxmemory", 1)
    client.client_kill_filter(_type="normal")


#: How a server begins to refuse, and how it serves again.
_REFUSALS: dict[str, tuple[Callable[[redis.Redis], object], Callable[[redis.Redis], object]]] = {
    "too few replicas": (
        lambda client: client.config_set("min-replicas-to-write", 1),
        lambda client: client.config_set("min-replicas-to-write", 0),
    ),
    "a replica": (
        lambda client: client.execute_command("REPLICAOF", "127.0.0.1", "1"),
        lambda client: client.execute_command("REPLICAOF", "NO", "ONE"),
    ),
    "full, connections lost": (
        lambda client: [
            client.config_set("maxmemory", 1),
            client.client_kill_filter(_type="normal"),
        ],
        lambda client: client.config_set("maxmemory", 0),
    ),
    "no right to pop": (
        lambda client: client.execute_command("ACL", "SETUSER", "default", "-brpop"),
        lambda client: client.execute_command("ACL", "SETUSER", "default", "+brpop"),
    ),
}


def run(arena: Arena) -> None:
    faults = arena.times(20, least=len(_REFUSALS))
    server = arena.server()
    site = arena.site(server.url, max_losses=1000)
    site.start_pools(*arena.pools("prefork", "threads"))
    resumed = []
    kinds = list(_REFUSALS.values())
    with redis.Redis.from_url(server.url) as client:
        for number in range(faults):
            site.work(3, _TREE, handlers=1 + arena.rng.randrange(50))
            refuse, serve = kinds[number % len(kinds)]
            refuse(client)
            time.sleep(arena.rng.uniform(_SHORTEST, _LONGEST))
            serve(client)
            resumed.append(site.resumed(3, _TREE))
    arena.figures["periods in which the server refused"] = faults
    arena.figures["work resumed within s"] = max(resumed)
    arena.figures["recovered in s"] = site.wait()
    site.verify()
    arena.figures["attempts lost"] = site.count("lost")
    site.expect_alive()


ROUND = Round(
    row=25,
    name="error-replies",
    fault="The server answers with errors",
    injection="too few replicas, a replica, a full server with lost connections, no right to pop",
    target="20 times: no worker ends, I1 to I4 hold",
    run=run,
    cut=0.1,
)
