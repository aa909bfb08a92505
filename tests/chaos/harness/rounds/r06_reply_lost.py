"""Row 6: a commit is done, but its reply never arrives; the worker has to send it again."""

from __future__ import annotations

import contextlib
import re

from tests.chaos.harness.arena import Arena
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.proxy import Proxy
from tests.chaos.harness.round import Round
from tests.support.eventually import eventually

#: How often a commit loses its reply.
_DROP = 0.05

#: What a commit alone holds, whatever its script's digest is: its outcome as an argument.
_COMMIT = b"\r\ncompleted\r\n"

#: How a worker's log tells that its commit was there already.
_ALREADY = re.compile(r"invocation \S+ \(\S+\), completed, is not accepted: it has been committed")

_TREE = Tree(200, micros=1000)


def run(arena: Arena) -> None:
    wanted = arena.times(100, least=10)
    server = arena.server()
    proxy: Proxy = arena.own(Proxy(server.port, arena.rng))
    site = arena.site(server.url, proxy.url(server.url), max_losses=1000)
    site.start_pools("prefork", "threads")
    # The server has to know the script first: a lost "no such script" is no lost commit.
    site.work(2, _TREE, handlers=50)
    proxy.weather.drop_reply_to = _COMMIT
    proxy.weather.drop = _DROP
    proxy.weather.drops_left = wanted

    def all_dropped() -> bool:
        site.feed(2, _TREE)
        return proxy.dropped >= wanted

    eventually(all_dropped, 60 + wanted, lambda: f"{wanted} drops, there were {proxy.dropped}")
    site.fault_over()
    arena.figures["replies lost"] = proxy.dropped
    arena.figures["recovered in s"] = site.wait()
    site.verify()
    # A commit can lose its reply twice.
    expected = len(proxy.unanswered)

    def already() -> int:
        return sum(len(_ALREADY.findall(worker.output())) for worker in site.fleet.workers)

    # The job's end is known before the worker has asked again for the last reply.
    with contextlib.suppress(AssertionError):
        eventually(lambda: already() >= expected)
    arena.figures["commits sent again and found committed"] = already()
    arena.expect(already() == expected, f"{already()} of {expected} commits were told so")
    arena.figures["attempts lost"] = site.count("lost")


ROUND = Round(
    row=6,
    name="reply-lost",
    fault="The reply to a commit is lost",
    injection="a proxy drops the reply and resets the connection",
    target="100 commits are sent again and found committed",
    run=run,
    cut=0.1,
)
