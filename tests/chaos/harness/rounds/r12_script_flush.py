"""Row 12: the server forgets every script, ten times a second, under load."""

from __future__ import annotations

import re
import threading

import redis

from tests.chaos.harness.arena import Arena
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.round import Round

#: How a log tells of a script that the server did not know.
_FAILURE = re.compile("NOSCRIPT|NoScriptError|No matching script")

_TREE = Tree(200, micros=500)


def run(arena: Arena) -> None:
    wanted = arena.times(300, least=20)
    server = arena.server()
    site = arena.site(server.url)
    site.start_pools("prefork", "threads")
    flushes = 0
    pause = threading.Event()
    with redis.Redis.from_url(server.url) as client:
        while flushes < wanted:
            site.feed(3, _TREE)
            client.script_flush()
            flushes += 1
            pause.wait(0.1)
    site.fault_over()
    arena.figures["flushes"] = flushes
    arena.figures["recovered in s"] = site.wait()
    site.verify()
    failures = sum(len(_FAILURE.findall(worker.output())) for worker in site.fleet.workers)
    arena.figures["NOSCRIPT failures"] = failures
    arena.expect(failures == 0, f"{failures} NOSCRIPT errors in the logs")
    arena.figures["invocations"] = sum(tree.invocations for tree in site.jobs.values())
    arena.expect(site.count("lost") == 0, "attempts were lost although nothing died")


ROUND = Round(
    row=12,
    name="script-flush",
    fault="The server forgets its scripts",
    injection="SCRIPT FLUSH every 100 ms under load",
    target="no invocation fails with NOSCRIPT",
    run=run,
    cut=0.07,
)
