"""What limits cost the server: a step that counts at them, and a key with 100,000 waiting.

``python -m benchmarks.limits``, on a server of its own: the server's own processor time for each
step (a claim, and a commit that claims the next) of jobs of one step, and the longest call by its
slow log. Takes about a minute.
"""

from __future__ import annotations

import argparse
import time

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

_LEASE = 600_000

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
        then = NextClaim(f"n-{number}", _LEASE, [name], time.perf_counter())
        _, granted = engine.store.invocations.commit(
            job_id, invocation, token, AttemptOutcome.COMPLETED, 5, details, effects, then, ()
        )


def _processor_seconds(engine: Engine) -> float:
    found = engine.client.info("cpu")
    return float(found["used_cpu_user_main_thread"] + found["used_cpu_sys_main_thread"])


def _measure(what: str, made: object, jobs: int, first: float | None) -> float:
    """Print a line; the microseconds of a step."""
    flow = Flow("bench-limits")
    flow.add_routine(made, "step")  # type: ignore[arg-type]
    with LocalServer.start() as server:
        configure(redis_url=server.url)
        try:
            (engine,) = current_engine().each
            engine.limits.declare([ROOM, RATE, FEW])
            flow.execute_many("step", [{}] * jobs)
            engine.link.call("CONFIG", "SET", "slowlog-log-slower-than", 100)
            engine.link.call("SLOWLOG", "RESET")
            before = _processor_seconds(engine)
            _work(engine, STEPS)
            step = (_processor_seconds(engine) - before) / STEPS * 1e6
            slowest = max((one[2] for one in engine.link.call("SLOWLOG", "GET", -1)), default=0)
        finally:
            shutdown()
    factor = "" if first is None else f", {step / first:.2f} times"
    print(f"{what:<40} {step:>6.1f} us a step{factor}, longest call {slowest / 1000:.1f} ms")
    return step


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits")
    parser.add_argument("--jobs", type=int, default=100_000)
    number = parser.parse_args().jobs
    first = _measure("without a limit", plain, 2 * STEPS, None)
    _measure("one limit with room", in_room, 2 * STEPS, first)
    _measure("a limit and a rate with room", at_both, 2 * STEPS, first)
    _measure(f"{2 * STEPS:,} wait at a key", in_line, 2 * STEPS, first)
    _measure(f"{number:,} wait at a key", in_line, number, first)


if __name__ == "__main__":
    main()
