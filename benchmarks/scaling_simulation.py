"""A thousand workers on one server, simulated: ``python -m benchmarks.scaling_simulation``.

The server, the scripts, the messages and the upkeep are real; a worker is a set of connections in
this process that sends what a real one sends, and a handler is a sleep. Everything stays on
loopback. ``--workers 1000 --seconds 2`` takes about half a minute and one core.

Measured are the server's load and memory under an idle and under a busy crowd, how fast a wide job
spreads over it, and how long jobs of one step take meanwhile. ``--real`` counts the connections
and commands of real workers of each pool instead: what the simulated ones are made after.
``--memory`` asks what jobs take of the server's, ``--blocked`` what waiting clients cost it.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import time
from statistics import median
from typing import NamedTuple

from benchmarks.scaling import blocked, memory, real
from benchmarks.scaling.crowd import Crowd, Site
from benchmarks.scaling.flows import single, wide
from benchmarks.scaling.gauge import Gauge, Load
from benchmarks.scaling.worker import Plan, Tally
from flowforge import JobState
from flowforge.local.server import LocalServer

#: Seconds between two looks at a busy crowd.
LOOK = 0.05

#: Jobs of one step that are submitted while the wide job is under way.
SMALL = 20

#: Of one core: from here on this process is what limits the figures.
TOO_BUSY = 0.9


#: What can be looked at instead of a crowd, by its option.
INSTEAD = {"real": real.look, "memory": memory.look, "blocked": blocked.look}


class Look(NamedTuple):
    """Handlers at work, and messages in the broker's lists, at one time."""

    when: float
    running: int
    queued: int


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--slots", type=int, default=1, help="handlers at a time in each worker")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a handler (default: 2)")
    parser.add_argument(
        "--rounds", type=int, default=5, help="items for each handler (default: 5; 0: stay idle)"
    )
    parser.add_argument(
        "--max-in-flight", type=int, help="of the wide job (default: the number of handlers)"
    )
    parser.add_argument("--prefetch", type=int, default=4, help="worker_prefetch_multiplier")
    parser.add_argument("--idle", type=float, default=10.0, help="seconds of doing nothing first")
    parser.add_argument("--gossip", action="store_true", help="Celery's gossip and heartbeats on")
    parser.add_argument("--real", action="store_true", help="look at real workers instead")
    parser.add_argument("--memory", action="store_true", help="look at the memory of jobs instead")
    parser.add_argument("--blocked", action="store_true", help="look at waiting clients instead")
    return parser.parse_args()


async def simulate(options: argparse.Namespace) -> None:
    with LocalServer.start(config={"maxclients": "20000"}) as server:
        gauge, site = Gauge(server), Site(server)
        plan = Plan(
            server.url,
            site.settings,
            site.lists,
            options.slots,
            options.prefetch,
            options.seconds,
            options.gossip,
        )
        crowd = Crowd(plan, options.workers)
        with site.upkeep():
            empty = gauge.read().memory
            async with crowd.gathered():
                await idle(crowd, gauge, options.idle, empty)
                if options.rounds:
                    await busy(crowd, gauge, site, options)


async def idle(crowd: Crowd, gauge: Gauge, seconds: float, empty: int) -> None:
    """What it costs that the crowd is there."""
    early = gauge.read()
    await asyncio.sleep(seconds)
    late = gauge.read()
    load = Load.between(early, late)
    each = (late.memory - empty) / crowd.connections / 1024
    say("connections", f"{crowd.connections:,}, {each:.1f} KiB of server memory each")
    say("idle", f"{load.commands:,.0f} commands/s, {load.server_cores:.1%} of a server core")
    warn(load)


async def busy(crowd: Crowd, gauge: Gauge, site: Site, options: argparse.Namespace) -> None:
    """A wide job from its submission to its end, with small jobs beside it."""
    handlers = options.workers * options.slots
    items = handlers * options.rounds
    looks: list[Look] = []
    early = gauge.read()
    job = site.submit_wide(wide(options.max_in_flight or handlers), items)
    small = asyncio.create_task(submit_small(options))
    while crowd.tally.commits < items + SMALL:
        looks.append(Look(time.monotonic(), crowd.tally.running, site.queued()))
        await asyncio.sleep(LOOK)
    load = Load.between(early, gauge.read())
    await asyncio.to_thread(job.wait, 30)
    say("wide job", f"{items:,} items of {options.seconds:g} s on {handlers:,}: {job.status}")
    tell_spread(crowd.tally, looks, handlers)
    tell_server(crowd.tally, load)
    times = [(one.updated_at - one.created_at).total_seconds() * 1e3 for one in await small]
    say("one-step jobs", f"p50 {median(times):.0f} ms, longest {max(times):.0f} ms, beside it")
    warn(load)


def tell_spread(tally: Tally, looks: list[Look], handlers: int) -> None:
    most = max(look.running for look in looks)
    spread = next(look.when for look in looks if look.running >= 0.95 * most) - tally.first_claim
    full = [look for look in looks if look.running >= 0.5 * most]
    used = sum(look.running for look in full) / len(full) / handlers
    rate = tally.commits / (tally.last_commit - tally.first_claim)
    say("spread", f"{most:,} at work at most; 95% of these {spread:.2f} s after the first")
    say("at work", f"{used:.0%} of the handlers, from half-way up to half-way down")
    say("in the lists", f"{max(look.queued for look in full):,} messages at most")
    say("throughput", f"{rate:,.0f} steps/s")


def tell_server(tally: Tally, load: Load) -> None:
    each = load.server_cores * load.seconds / tally.commits * 1e6
    say("server", f"{load.server_cores:.0%} of a core, {each:.0f} us a step with all that is idle")
    for name, times in (("claim", tally.claim_times), ("commit", tally.commit_times)):
        times.sort()
        middle, late = median(times) * 1e3, times[len(times) * 99 // 100] * 1e3
        say(name, f"p50 {middle:.1f} ms, p99 {late:.1f} ms, as the workers see it")
    say("refused", f"{tally.refused:,} claims of messages that had been pushed again")


async def submit_small(options: argparse.Namespace) -> list[JobState]:
    """One-step jobs over the time in which the wide job keeps everybody at work."""
    flow, jobs = single(), []
    await asyncio.sleep(options.seconds)
    for _ in range(SMALL):
        jobs.append(await asyncio.to_thread(flow.execute, "work"))
        await asyncio.sleep(options.seconds * (options.rounds - 2) / SMALL)
    return jobs


def warn(load: Load) -> None:
    say("itself", f"{load.own_cores:.0%} of a core for all the simulated workers")
    if load.own_cores > TOO_BUSY:
        say("caution", "that is what limits the figures: take fewer workers or longer handlers")


def say(what: str, text: str) -> None:
    print(f"{what:14} {text}", flush=True)


def main() -> int:
    options = parse()
    for option, look in INSTEAD.items():
        if getattr(options, option):
            look()
            return 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = options.workers * (options.slots + 3 + 6 * options.gossip) + 200
    if hard < needed:
        print(f"{needed} open files are needed, the limit is {hard} (ulimit -Hn)", file=sys.stderr)
        return 2
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    asyncio.run(simulate(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
