"""Row 5: processes end at every point of an invocation's way, at random."""

from __future__ import annotations

from tests.chaos.harness import crash
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.round import Round
from tests.support.eventually import eventually

#: Chance of a crash at each pass of a process.
_CHANCE = 0.05

_TREE = Tree(200, micros=1000)


def run(arena: Arena) -> None:
    each = arena.times(25, least=2)
    tickets = arena.directory / "tickets"
    env = crash.environment(tickets, each, _CHANCE)
    site = arena.site(arena.server().url, imports=[crash.MODULE], env=env, max_losses=1000)
    site.start_pools("prefork", "prefork", concurrency=3)

    def all_crashed() -> bool:
        site.feed(3, _TREE)
        return not crash.tickets_left(tickets)

    eventually(all_crashed, 30 + 10 * each, lambda: f"crashes {crash.tickets_left(tickets)}")
    site.fault_over()
    arena.figures["crashes"] = each * len(crash.POINTS)
    arena.figures["points of the code"] = len(crash.POINTS)
    arena.figures["recovered in s"] = site.wait()
    site.verify()
    site.expect_alive()
    arena.figures["invocations"] = sum(tree.invocations for tree in site.jobs.values())
    arena.figures["attempts lost"] = site.count("lost")


ROUND = Round(
    row=5,
    name="crash-points",
    fault="A process dies at a chosen point of the code",
    injection="an exit before and after the claim, the handler and the commit",
    target="25 exits at each point: I1 to I4 hold",
    run=run,
    cut=0.1,
)
