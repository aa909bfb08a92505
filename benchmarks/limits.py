"""What limits cost: a whole step on a worker, the server's part of it, a key with 100,000 waiting.

``python -m benchmarks.limits``, on servers of its own. First a worker runs chains with and without
a limit, in turns: what a step takes by the clock, and what of the processors. Worker, server and
this process share one core, so nothing hides behind anything else. Then the server's own processor
time for each step (a claim, and a commit that claims the next) of jobs of one step, without a
worker, and the longest call by its slow log. Takes about three minutes. ``--write`` puts the
figures into docs/explanation/performance.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from statistics import median

from benchmarks.frame.stage import WORK_LIMIT, Stage
from benchmarks.page import PAGE, replaced
from flowforge import Flow, Limit, configure, routine, shutdown
from flowforge.codec.binary import pack_record
from flowforge.engine.current import current_engine
from flowforge.engine.engine import Engine
from flowforge.execution.effects import Effects
from flowforge.local.server import LocalServer
from flowforge.model.jobs.status import AttemptOutcome
from flowforge.store.transitions.claims import Granted, NextClaim

#: Steps that are measured.
STEPS = 5_000

#: Chains that a worker runs at once, steps of each, and what of the time of a step without a limit
#: one with a limit may take at most.
CHAINS, LENGTH = 16, 250
MOST = 1.15

_LEASE = 600_000

MARKERS = ("<!-- limits: begin -->", "<!-- limits: end -->")

ROOM = Limit("bench-room", running=100_000)
RATE = Limit("bench-rate", rate=1_000_000, period=0.1)
FEW = Limit("bench-few", running=4)


@routine
def plain() -> None:
    """It is never run."""


@routine(limit=ROOM)
def in_room() -> None:
    """It finds a place at once."""


@routine(limit=[ROOM, RATE])
def at_both() -> None:
    """It finds a place of both."""


@routine(limit=FEW)
def in_line() -> None:
    """It waits in a line, but for a few."""


def _next(engine: Engine, name: str, token: str) -> tuple[str, str]:
    """Claim the next message of a list."""
    found = engine.link.call("RPOP", name)
    _, _, rest = found.decode().partition('[[\\"')
    job_id, _, rest = rest.partition('\\", \\"')
    invocation = rest.partition('\\"')[0]
    engine.store.invocations.claim(job_id, invocation, token, _LEASE)
    return job_id, invocation


def _work(engine: Engine, steps: int) -> None:
    """What a process does: claim, and commit with the next claim, without a handler."""
    name = engine.app.conf.task_default_queue
    details, effects = pack_record("w", 1, 5, {}, None, None), Effects([], {}, [], [], [], [])
    granted: Granted | None = None
    for number in range(steps):
        token = f"t-{number}"
        if granted is None:
            job_id, invocation = _next(engine, name, token)
        else:
            job_id, invocation, token = granted.job_id, granted.invocation, granted.token
        then = None
        if number < steps - 1:
            then = NextClaim(f"n-{number}", _LEASE, [name], time.perf_counter())
        _, granted = engine.store.invocations.commit(
            job_id, invocation, token, AttemptOutcome.COMPLETED, 5, details, effects, then, ()
        )


def _processor_seconds(engine: Engine) -> float:
    found = engine.client.info("cpu")
    return float(found["used_cpu_user_main_thread"] + found["used_cpu_sys_main_thread"])


def _measure(what: str, made: object, jobs: int, first: float | None) -> tuple[str, float]:
    """The row of a table, and the microseconds of a step. ``first``: those of the first row."""
    flow = Flow("bench-limits")
    flow.add_routine(made, "step")  # type: ignore[arg-type]
    with LocalServer.start() as server:
        configure(redis_url=server.url)
        try:
            (engine,) = current_engine().each
            engine.limits.declare([ROOM, RATE, FEW])
            flow.execute_many("step", [{}] * jobs)
            engine.link.call("CONFIG", "SET", "slowlog-log-slower-than", 1000)
            engine.link.call("SLOWLOG", "RESET")
            before = _processor_seconds(engine)
            _work(engine, STEPS)
            step = (_processor_seconds(engine) - before) / STEPS * 1e6
            slowest = max((one[2] for one in engine.link.call("SLOWLOG", "GET", -1)), default=0)
        finally:
            shutdown()
    longest = f"{slowest / 1000:.1f} ms" if slowest else "below 1 ms"
    row = f"| {what} | {jobs:,} | {step:.0f} us | {step / (first or step):.2f} x | {longest} |"
    print(row, file=sys.stderr, flush=True)
    return row, step


def _server(number: int) -> list[str]:
    few = 2 * STEPS
    first, plain_step = _measure("Without a limit", plain, few, None)
    rows = [first]
    for what, made, jobs in (
        ("Without a limit", plain, number),
        ("One limit with room", in_room, few),
        ("One limit with room", in_room, number),
        ("A limit and a rate with room", at_both, few),
        ("All but four wait at a key", in_line, few),
        ("All but four wait at a key", in_line, number),
    ):
        rows.append(_measure(what, made, jobs, plain_step)[0])
    return rows


def _whole(rounds: int) -> list[str]:
    """Rows of a step of a chain on a worker, and what the limit adds."""
    found: dict[str, list[dict[str, float]]] = {"chain": [], "limited_chain": []}
    with Stage(pinned=True) as stage:
        stage.start_flowforge()
        flows = stage.load("flows")

        def run(name: str, length: int) -> None:
            flow: Flow = getattr(flows, name)
            for job in [flow.execute("step", {"n": length}) for _ in range(CHAINS)]:
                job.wait(WORK_LIMIT)

        for name in found:
            run(name, 20)
        for number in range(rounds):
            for name in list(found)[:: -1 if number % 2 else 1]:
                with stage.watch() as usage:
                    run(name, LENGTH)
                found[name].append(usage.per_step(CHAINS * LENGTH))
    shutdown()
    rows = []
    for what, name in (("Without a limit", "chain"), ("One limit with room", "limited_chain")):
        figures = [
            median(one[figure] for one in found[name])
            for figure in ("wall_us", "worker_us", "server_us")
        ]
        rows.append(f"| {what} | " + " | ".join(f"{figure:.0f} us" for figure in figures) + " |")
    ratios = [
        sorted(
            limited[figure] / free[figure]
            for free, limited in zip(found["chain"], found["limited_chain"], strict=True)
        )
        for figure in ("wall_us", "worker_us", "server_us")
    ]
    rows.append(
        "| Median of the rounds | " + " | ".join(f"{median(r):.2f} x" for r in ratios) + " |"
    )
    wall = ratios[0]
    word = "met" if median(wall) <= MOST else "NOT MET"
    return [
        *rows, "",
        f"{rounds} rounds of {CHAINS} chains of {LENGTH} steps each, in turns; by the clock "
        f"{wall[0]:.2f} x to {wall[-1]:.2f} x. At most {MOST} x: {word}.",
    ]  # fmt: skip


def main() -> None:
    """Print the page's part, and write it if told to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits")
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    text = "\n".join([
        "| A step of a chain on a worker | By the clock | Worker | Server |",
        "|---|--:|--:|--:|",
        *_whole(arguments.rounds), "",
        "| The server's part of a job of one step | Jobs | A step | | Longest call |",
        "|---|--:|--:|--:|--:|",
        *_server(arguments.jobs),
    ])  # fmt: skip
    print(text)
    print(f"load {os.getloadavg()[0]:.1f}")
    if arguments.write:
        PAGE.write_text(replaced(PAGE.read_text(), text, MARKERS))


if __name__ == "__main__":
    main()
