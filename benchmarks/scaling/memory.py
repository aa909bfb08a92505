"""What jobs take of the server's memory, waiting and ended, by its own account."""

from __future__ import annotations

import time
from statistics import mean

from benchmarks.frame.stage import WORK_LIMIT
from benchmarks.scaling.flows import ENTRY, params, single, wide
from benchmarks.scaling.real import Bench
from flowforge import Flow, JobState
from flowforge.codec.binary import encode_payload

#: Jobs of one step, and items of a wide one: fewer than the history keeps.
JOBS, ITEMS = 10_000, 9_000


def look() -> None:
    """A line for each thing that takes memory; all in bytes."""
    own = mean(len(encode_payload(params(n), 1000, "params")) for n in range(ITEMS))
    print(f"An item's params take {own:.0f} bytes.")
    with Bench() as bench:
        of_jobs(bench)
    with Bench() as bench:
        of_a_wide_job(bench, own)


def of_jobs(bench: Bench) -> None:
    list(single().execute_many("work", [{}] * 10))
    before = bench.memory()
    jobs = single().execute_many("work", ({} for _ in range(JOBS)))
    tell("a job of one step that waits", bench.memory() - before, JOBS)
    bench.start("threads", 4, ())
    for job in jobs:
        job.wait(WORK_LIMIT)
    tell("a job of one step that has ended", bench.memory() - before, JOBS)


def of_a_wide_job(bench: Bench, own: float) -> None:
    before, job = spread(bench, wide(ITEMS))
    tell("an item of a wide job, beyond its params", bench.memory() - before, ITEMS, own)
    queued, size = bench.queued("celery")
    tell("a message in the broker's list", size, queued)
    bench.start("solo", 1, ())
    job.wait(WORK_LIMIT)
    tell("an entry of an ended job's history", bench.memory() - before, ITEMS)


def spread(bench: Bench, flow: Flow) -> tuple[int, JobState]:
    """A job that has fanned out, and the memory before; nobody serves the queue of its items."""
    bench.start("solo", 1, ("-Q", ENTRY))
    flow.execute("spread", {"items": 0}).cancel()
    before = bench.memory()
    job = flow.execute("spread", {"items": ITEMS})
    while (job.get_routine_state("spread") or {}).get("completed") != 1:
        time.sleep(0.05)
    return before, job


def tell(what: str, size: int, count: int, less: float = 0.0) -> None:
    print(f"{size / count - less:6.0f}  {what}", flush=True)
