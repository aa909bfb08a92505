"""What fair keys cost the server, and how long a tenant waits while another has 100,000 jobs.

``python -m benchmarks.fair``, on a server of its own. The first table is the server's own processor
time for each step (a claim, and a commit that claims the next) of jobs of one step. The second one
is the wait from the submission of one job to its start, while a worker of four threads works off
the jobs of another tenant: in turns, one turn being the time of one handler. Takes about a minute.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Iterator

from benchmarks.delays import processor_seconds
from benchmarks.frame.stage import Stage
from flowforge import Flow, JobState, configure, routine, shutdown
from flowforge.codec.binary import pack_record
from flowforge.engine.current import current_engine
from flowforge.engine.engine import Engine
from flowforge.execution.effects import Effects
from flowforge.local.server import LocalServer
from flowforge.model.jobs.status import AttemptOutcome
from flowforge.store.transitions.claims import Granted, NextClaim

#: Steps that are measured, seconds of a handler, threads, and jobs whose wait is measured.
STEPS = 5_000
NAP = 0.05
THREADS = 4
SAMPLES = 20

_LEASE = 600_000


@routine
def step() -> None:
    """It is never run."""


def _work(engine: Engine, name: str, steps: int) -> None:
    """What a process does: claim, and commit with the next claim, without a handler."""
    details, effects = pack_record("w", 1, 5, {}, None, None), Effects([], {}, [], [], [], [])
    granted: Granted | None = None
    for number in range(steps):
        token = f"t-{number}"
        if granted is None:
            found = engine.link.call("LINDEX", name, -1)
            _, _, rest = found.decode().partition('[[\\"')
            job_id, _, rest = rest.partition('\\", \\"')
            invocation = rest.partition('\\"')[0]
            engine.link.call("RPOP", name)
            engine.store.invocations.claim(job_id, invocation, token, _LEASE)
        else:
            job_id, invocation, token = granted.job_id, granted.invocation, granted.token
        then = NextClaim(f"n-{number}", _LEASE, [name], time.perf_counter())
        _, granted = engine.store.invocations.commit(
            job_id, invocation, token, AttemptOutcome.COMPLETED, 5, details, effects, then, ()
        )


def _steps(engine: Engine, what: str) -> None:
    name = engine.app.conf.task_default_queue
    before = processor_seconds(engine)
    _work(engine, name, STEPS)
    spent = processor_seconds(engine) - before
    print(f"{what:<44} {spent / STEPS * 1e6:>6.1f} us a step")


def _submit(flow: Flow, keys: int, jobs: int) -> None:
    for key in range(keys):
        flow.execute_many("step", [{}] * (jobs // keys), fair_key=f"tenant-{key}")


def _cost(number: int) -> Iterator[None]:
    flow = Flow("fair")
    flow.add_routine(step, "step")
    for keys, jobs in ((0, 2 * STEPS), (1, 2 * STEPS), (1, number), (1000, number)):
        with LocalServer.start() as server:
            configure(redis_url=server.url)
            try:
                (engine,) = current_engine().each
                if keys:
                    _submit(flow, keys, jobs)
                else:
                    flow.execute_many("step", [{}] * jobs)
                what = f"{jobs:,} jobs of {keys:,} fair keys" if keys else f"{jobs:,} jobs without"
                _steps(engine, what)
            finally:
                shutdown()
        yield


def _waits(flow: Flow, key: str | None) -> list[float]:
    """Seconds from the submission of a job of another tenant to its start, each."""
    found = []
    for _ in range(SAMPLES):
        # The worker has time for some steps in between.
        time.sleep(3 * NAP)
        job: JobState = flow.execute("nap", {"seconds": NAP}, fair_key=key).wait(600)
        engine = current_engine().of(job.job_id)
        _, details = engine.inspector.describe(job.job_id)
        assert details.started_at is not None
        found.append((details.started_at - job.created_at).total_seconds())
    return found


def _turns(number: int) -> None:
    with Stage(pinned=False) as stage:
        os.environ.setdefault("FLOWFORGE_LOG_LEVEL", "WARNING")
        stage.start_flowforge("threads", THREADS)
        flow: Flow = stage.load("flows").naps
        configure(redis_url=stage.server.url)
        try:
            idle = _waits(flow, "small")
            jobs = flow.execute_many("nap", [{"seconds": NAP}] * number, fair_key="large")
            jobs[0].wait(60)
            # The leader has looked how many the workers run.
            time.sleep(2)
            for what, waits in (("idle", idle), ("beside 100,000 jobs", _waits(flow, "small"))):
                turns = sorted(wait / NAP for wait in waits)
                print(
                    f"{what:<44} median {statistics.median(turns):.2f}, "
                    f"longest {turns[-1]:.2f} turns of {NAP * 1000:.0f} ms"
                )
        finally:
            shutdown()


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fair")
    parser.add_argument("--jobs", type=int, default=100_000)
    number = parser.parse_args().jobs
    for _ in _cost(number):
        pass
    _turns(number)


if __name__ == "__main__":
    main()
