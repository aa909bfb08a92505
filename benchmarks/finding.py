"""How long it takes to find jobs among many.

``python -m benchmarks.finding``: 300,000 jobs with three labels each on a server of its own, then
each list and search: the time of the caller, and the longest call of the server by its slow log.
Takes about two minutes.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from datetime import timedelta

from flowforge import Flow, JobState, configure, routine, shutdown
from flowforge.engine.current import current_engine
from flowforge.engine.find import find
from flowforge.engine.find import summaries as read
from flowforge.local.server import LocalServer
from flowforge.store.finding import Query

#: How often each search is made; the median counts.
TIMES = 21

#: Microseconds above which the server keeps a call in its slow log.
SLOW = 100

FLOWS = [Flow(f"flow-{number}") for number in range(10)]

#: Of so many jobs one has the label ``rare``.
RARE = 10_000

#: Jobs of which one is cancelled.
CANCELLED = 100


@routine
def step() -> None:
    """It is never run."""


def fill(number: int) -> None:
    """Jobs with a customer, a stage, and an order; every hundredth is cancelled."""
    chooser = random.Random(7)
    for flow in FLOWS:
        flow.add_routine(step, "step")
        count = number // len(FLOWS)
        labels = [
            {
                "tenant": f"t{chooser.randrange(1000)}",
                "stage": chooser.choice(["new", "paid", "sent"]),
                "rare": "yes" if place % RARE == 0 else "no",
            }
            for place in range(count)
        ]
        jobs = flow.execute_many("step", [{}] * count, labels=labels)
        engine = current_engine().each[0]
        for job in jobs[::CANCELLED]:
            engine.store.control.cancel(job.job_id, f"reason {job.job_id}")


def summaries(labels: dict[str, str] | None = None) -> int:
    """What ``flowforge jobs`` does."""
    found = find(current_engine().each, Query(labels=labels or {}), 20)
    return len(read(found.jobs))


SEARCHES: dict[str, Callable[[], object]] = {
    "the newest of all": JobState.find,
    "status": lambda: JobState.find(status="cancelled"),
    "flow": lambda: JobState.find(flow="flow-3"),
    "flow and status": lambda: JobState.find(flow="flow-3", status="cancelled"),
    "label of 100,000 jobs": lambda: JobState.find(labels={"stage": "paid"}),
    "label of 300 jobs": lambda: JobState.find(labels={"tenant": "t7"}),
    "three labels": lambda: JobState.find(labels={"tenant": "t7", "stage": "paid", "rare": "no"}),
    "labels, flow, status": lambda: JobState.find(
        flow="flow-3", status="pending", labels={"stage": "paid", "rare": "yes"}
    ),
    "label and last hour": lambda: JobState.find(
        labels={"stage": "paid"}, since=timedelta(hours=1)
    ),
    "text of cancelled jobs": lambda: JobState.find(status="cancelled", text="reason", limit=20),
    "list of flowforge jobs": summaries,
    "list with a label": lambda: summaries(labels={"tenant": "t7"}),
}


def measure(search: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds of the caller, and of the server's longest call."""
    client = current_engine().each[0].client
    client.slowlog_reset()
    spent = []
    for _ in range(TIMES):
        before = time.perf_counter()
        search()
        spent.append(time.perf_counter() - before)
    longest = max((entry["duration"] for entry in client.slowlog_get(128)), default=SLOW)
    return sorted(spent)[TIMES // 2] * 1000, longest / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=300_000)
    number = parser.parse_args().jobs
    # Not before the jobs are there: to delete what it holds of them is a slow call itself.
    config = {"slowlog-log-slower-than": "-1", "slowlog-max-len": "1000"}
    with LocalServer.start(config=config) as server:
        configure(redis_url=server.url)
        before = time.perf_counter()
        fill(number)
        print(f"{number} jobs in {time.perf_counter() - before:.0f} s")
        current_engine().each[0].client.config_set("slowlog-log-slower-than", SLOW)
        for name, search in SEARCHES.items():
            caller, longest = measure(search)
            print(f"{name:24} {caller:7.1f} ms, the server's longest call {longest:5.2f} ms")
        shutdown()


if __name__ == "__main__":
    main()
