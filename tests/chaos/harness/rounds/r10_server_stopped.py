"""Row 10: the server is stopped for a while, and goes on as if nothing had happened.

Nothing is closed meanwhile: clients run into their timeouts, or into none.
"""

from __future__ import annotations

import signal
import time

from tests.chaos.harness.arena import Arena
from tests.chaos.harness.faults import send
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.round import Round

#: Seconds of the stops; the first is the one of the cut. The socket timeout is 10 s.
_STOPS = (2, 1, 12, 3, 30, 1, 5, 11, 2, 20, 4, 1, 9, 3, 6)

#: Seconds within which every worker must run handlers again.
_RESUMED = 10.0

_TREE = Tree(200, micros=3000)


def run(arena: Arena) -> None:
    server = arena.server()
    site = arena.site(server.url, max_losses=1000)
    site.start_pools(*arena.pools("threads", "gevent", "solo"))
    resumed = []
    stops = [_STOPS[k % len(_STOPS)] for k in range(arena.times(15))]
    for seconds in stops:
        site.work(3, _TREE, handlers=1 + arena.rng.randrange(50))
        send(server.pid, signal.SIGSTOP)
        time.sleep(seconds + arena.rng.uniform(-0.5, 0.5))
        send(server.pid, signal.SIGCONT)
        resumed.append(site.resumed(3, _TREE, _RESUMED))
    arena.figures["stops"] = len(stops)
    arena.figures["longest stop s"] = max(stops)
    arena.figures["work resumed within s"] = max(resumed)
    arena.figures["recovered in s"] = site.wait()
    site.verify()
    arena.figures["attempts lost"] = site.count("lost")
    site.expect_alive()


ROUND = Round(
    row=10,
    name="server-stopped",
    fault="The server does not answer for a while",
    injection="SIGSTOP for 1 to 30 s",
    target="15 stops: work resumes within 10 s",
    run=run,
    cut=0.05,
)
