"""Row 3: a message leaves the broker with a worker that dies before it claims.

A worker that waits in BRPOP is stopped; what is pushed then goes into its socket, unread. It is
killed there. Only the upkeep of another worker can know of the message.
"""

from __future__ import annotations

import time

import redis

from tests.chaos.harness.arena import Arena
from tests.chaos.harness.faults import freeze, thaw
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site
from tests.support.eventually import eventually
from tests.support.fleet import Worker

#: Workers that die together.
_VICTIMS = 4

#: Seconds from the resend of a message to the end of its job, on a busy machine.
_RUNNING = 0.5


def run(arena: Arena) -> None:
    rounds = arena.times(40, least=_VICTIMS)
    server = arena.server()
    site = arena.site(server.url)
    # The first one leads the upkeep, and survives.
    rescuer = site.start(concurrency=1)
    limit = site.settings.unclaimed_grace + site.settings.upkeep_interval
    times: list[float] = []
    with redis.Redis.from_url(server.url) as client:
        while len(times) < rounds:
            victims = [site.start(concurrency=1, wait=False) for _ in range(_VICTIMS)]
            site.fleet.wait_until_ready(*victims)
            times += _lose(site, rescuer, victims, client)
    late = [took for took in times if took > limit + _RUNNING]
    arena.expect(not late, f"I4 recovered later than {limit} s: {[round(x, 2) for x in late]}")
    site.wait()
    site.verify()
    arena.figures["messages lost"] = len(times)
    arena.figures["messages recovered"] = sum(took <= limit + _RUNNING for took in times)
    arena.figures["slowest recovered in s"] = max(times)
    arena.figures["limit s"] = limit


def _lose(site: Site, rescuer: Worker, victims: list[Worker], client: redis.Redis) -> list[float]:
    """Let every victim take one message along; seconds from then to each job's end."""
    everybody = [rescuer, *victims]
    frozen = _freeze_in_brpop(everybody, client)
    jobs = [site.submit(Tree(1)) for _ in everybody]
    list_name = site.settings.prefix + ":celery"
    eventually(lambda: client.llen(list_name) == 0, 1, "every message in a socket")
    site.fault_over()
    for victim in victims:
        site.fleet.kill(victim)
    thaw(frozen[rescuer])
    times: dict[str, float] = {}
    deadline = time.monotonic() + site.settings.lease + 30
    while len(times) < len(jobs) and time.monotonic() < deadline:
        times |= {j: site.since_fault() for j in jobs if j not in times and site.ended(j)}
        time.sleep(0.01)
    # The quickest is the one whose message the rescuer held itself.
    return sorted(times.get(job, float("inf")) for job in jobs)[1:]


def _freeze_in_brpop(workers: list[Worker], client: redis.Redis) -> dict[Worker, list[int]]:
    """Stop all workers while every one of them waits in BRPOP."""
    while True:
        frozen = {worker: freeze(worker) for worker in workers}
        waiting = [c for c in client.client_list() if c["cmd"] == "brpop" and "b" in c["flags"]]
        if len(waiting) == len(workers):
            return frozen
        for pids in frozen.values():
            thaw(pids)
        time.sleep(0.02)


ROUND = Round(
    row=3,
    name="popped-never-claimed",
    fault="A worker takes a message and dies before it claims",
    injection="SIGSTOP to a worker that waits in BRPOP, a push, SIGKILL",
    target="40 of 40 messages are recovered within the grace period and one upkeep interval",
    run=run,
    cut=0.1,
)
