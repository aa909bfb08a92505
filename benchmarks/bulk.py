"""How much of the server's time a bulk operation takes.

``python -m benchmarks.bulk``: 100,000 jobs with three labels each on a server of its own, a tenth
of them failed, then each action on 5,000 of them: how long the jobs are collected, how long it
takes, how many jobs a call acts on, and the server's time for a call: of its processor, and of the
longest call by the clock. Takes about a minute.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from itertools import islice

from flowforge import Bulk, Flow, JobState, configure, routine, shutdown
from flowforge.codec.binary import pack_record
from flowforge.engine.current import current_engine
from flowforge.local.server import LocalServer
from flowforge.model.jobs.error_group import ErrorSample
from flowforge.store.transitions.claims import Claim

#: Jobs that each action is about.
NUMBER = 5_000

#: Of so many jobs one fails.
FAILED = 10

SAMPLE = ErrorSample("g1", "step", "ValueError", "shop.step", "it broke")


@routine
def step(order: int) -> None:
    """It is never run."""


def fill(number: int) -> None:
    """Jobs with labels and params; every tenth has failed."""
    flow = Flow("orders")
    flow.add_routine(step, "step")
    params = [{"order": place} for place in range(number)]
    labels = [{"tenant": f"t{place % 100}", "stage": "new", "shop": "a"} for place in range(number)]
    invocations = current_engine().each[0].store.invocations
    for job in flow.execute_many("step", params, labels=labels)[::FAILED]:
        claim = invocations.claim(job.job_id, "1.0.0", "token", 60_000)
        assert isinstance(claim, Claim)
        details = pack_record("worker", 1, 5, {}, None, ["ValueError", "it broke", "trace", "x.py"])
        invocations.fail(
            job.job_id, "1.0.0", "token", 5, details, "step.input: it broke", details, SAMPLE
        )


def jobs_of(status: str) -> list[JobState]:
    return list(islice(JobState.find(status=status, limit=NUMBER), NUMBER))


ACTIONS: dict[str, Callable[[Iterable[JobState]], Bulk]] = {
    "pause": Bulk.pause,
    "resume": Bulk.resume,
    "retry": Bulk.retry,
    "label": lambda jobs: Bulk.label(jobs, {"stage": "paid"}),
    "cancel": Bulk.cancel,
    "delete": Bulk.delete,
}

#: The status of the jobs that an action is measured with.
STATUSES = {
    "pause": "pending", "resume": "paused", "retry": "failed", "label": "pending",
    "cancel": "pending", "delete": "cancelled",
}  # fmt: skip


def server_time() -> float:
    """Seconds of the processor that the server's own thread has taken."""
    cpu = current_engine().each[0].client.info("cpu")
    return float(cpu["used_cpu_user_main_thread"]) + float(cpu["used_cpu_sys_main_thread"])


def longest_call() -> float:
    """Milliseconds of the server's longest call since the log was emptied, by the clock."""
    log = current_engine().each[0].client.slowlog_get(-1)
    return max((entry["duration"] / 1000 for entry in log), default=0.0)


def measure(action: str) -> None:
    jobs = jobs_of(STATUSES[action])
    before = time.perf_counter()
    bulk = ACTIONS[action](jobs)
    collected = 1000 * (time.perf_counter() - before)
    current_engine().each[0].client.slowlog_reset()
    before, before_server, calls = time.perf_counter(), server_time(), 0
    while bulk.do_piece() is not None:
        calls += 1
    took, server = time.perf_counter() - before, server_time() - before_server
    done = bulk.progress.done
    assert done == len(jobs), bulk.progress
    print(
        f"{action:8} {done} jobs, collected in {collected:4.0f} ms, done in {took:4.2f} s: "
        f"{done / calls:5.1f} jobs a call, of the server {1000 * server / calls:4.2f} ms a call "
        f"({1_000_000 * server / done:3.0f} us a job); the longest {longest_call():.1f} ms in all"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    number = parser.parse_args().jobs
    config = {"slowlog-log-slower-than": "100", "slowlog-max-len": "100000"}
    with LocalServer.start(config=config) as server:
        configure(redis_url=server.url)
        fill(number)
        print(f"{number} jobs")
        for action in ACTIONS:
            measure(action)
        shutdown()


if __name__ == "__main__":
    main()
