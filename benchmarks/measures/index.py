"""Whether looking at jobs, and submitting them, is slower where there are many jobs."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.frame import clocks
from benchmarks.frame.rows import Group, Row, Target, show
from benchmarks.frame.samples import Samples
from benchmarks.frame.scale import Scale
from benchmarks.frame.stage import WORK_LIMIT, Stage
from benchmarks.frame.trial import Figures, Trial
from flowforge import JobState
from flowforge.engine.current import current_engine, set_engine
from flowforge.engine.jobs.job_report import job_snapshot

INDEX = "index"

#: Jobs on the small fleet, open and finished ones each: more than a listing shows.
FEW = 100
LISTED = 20

#: Times that each operation is measured; the median counts.
LOOKS = 200


def index(scale: Scale) -> Figures:
    """The same operations with 200 jobs, with 10,000 open ones, with 200,000 finished ones.

    Each time the small fleet and the large one are looked at in turns, with both servers and
    this process on one core: on two cores it decides the times which server wakes up where. Making
    200,000 jobs is only the preparation, and both cores may do it.
    """
    opened, finished = scale.pick((10_000, 200_000), (1_000, 5_000), (5, 5))
    few, looks = scale.pick((FEW, LOOKS), (FEW, LOOKS), (2, 2))
    with Stage(pinned=False) as first:
        flow = first.load("flows").single
        small = _Fleet(first, flow, few)
        small.submit(few)
        set_engine(None)
        with Stage(pinned=False) as second:
            large = _Fleet(second, flow, few)
            large.submit(opened)
            servers = (first.server.pid, second.server.pid)
            figures = _compare("open", small, large, looks, servers)
            large.work_off(opened)
            large.submit(finished - opened - few)
            large.work_off(finished)
            large.submit(few)
            return figures | _compare("finished", small, large, looks, servers)


class _Fleet:
    """A server with jobs. ``few`` of them are finished from the start."""

    def __init__(self, stage: Stage, flow: Any, few: int) -> None:
        self._stage = stage
        self._flow = flow
        (self.engine,) = current_engine().each
        self._done = self.submit(few)
        self.work_off(few)
        self._open: JobState | None = None

    def submit(self, count: int) -> JobState:
        """Submit jobs that nobody works on yet; returns one of them."""
        set_engine(self.engine)
        self._open = self._flow.execute("only")
        self._flow.execute_many("only", ({} for _ in range(count - 1)))
        return self._open

    def work_off(self, finished: int) -> None:
        """Start workers, and end them when so many jobs have completed."""
        self._stage.start_flowforge(count=2)
        deadline = time.monotonic() + WORK_LIMIT
        while (counts := self.engine.overview.counts())["completed"] < finished:
            assert time.monotonic() < deadline, f"{counts} after {WORK_LIMIT} s"
            time.sleep(0.05)
        self._stage.end_workers()

    def operations(self) -> dict[str, Callable[[], object]]:
        """What is measured. The jobs that are shown are the same kind everywhere."""
        opened = self._open or self._done
        return {
            "jobs": lambda: [job.status for job in JobState.find(limit=LISTED)],
            "show_done": lambda: job_snapshot(self.engine, self._done.job_id),
            "show_open": lambda: job_snapshot(self.engine, opened.job_id),
            "submit": lambda: self._flow.execute("only"),
        }


def _compare(
    when: str, small: _Fleet, large: _Fleet, looks: int, servers: tuple[int, ...]
) -> Figures:
    """Medians in milliseconds of both, measured in turns on one core."""
    clocks.pin(*servers)
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(looks):
        for size, fleet in (("few", small), ("many", large)):
            set_engine(fleet.engine)
            for name, operation in fleet.operations().items():
                began = time.perf_counter()
                operation()
                times[f"{name}_{size}_{when}_ms"].append(time.perf_counter() - began)
    clocks.unpin()
    return {name: median(found) * 1000 for name, found in times.items()}


OPERATIONS = ("jobs", "show_done", "show_open", "submit")


def _slowest(when: str) -> Callable[[Samples], float]:
    def growth(samples: Samples) -> float:
        return max(_growth(samples, name, when) for name in OPERATIONS)

    return growth


def _growth(samples: Samples, name: str, when: str) -> float:
    """Median over the rounds of the quotient within a round."""
    before = samples.of(INDEX, f"{name}_few_{when}_ms")
    after = samples.of(INDEX, f"{name}_many_{when}_ms")
    return median(late / early for early, late in zip(before, after, strict=True))


def _detail(when: str) -> Callable[[Samples], str]:
    def detail(samples: Samples) -> str:
        return ", ".join(
            f"{name} {show(samples.median(INDEX, f'{name}_few_{when}_ms'))} -> "
            f"{show(samples.median(INDEX, f'{name}_many_{when}_ms'))} ms"
            for name in OPERATIONS
        )

    return detail


ROWS = [
    Row(
        "10,000 open jobs: jobs, show and submit against 200 jobs, the slowest",
        _slowest("open"),
        Target("<=", 1.2, "x"),
        _detail("open"),
    ),
    Row(
        "200,000 finished jobs: jobs, show and submit against 200 jobs, the slowest",
        _slowest("finished"),
        Target("<=", 1.2, "x"),
        _detail("finished"),
    ),
]

GROUP = Group("index", [Trial(INDEX, index)], ROWS)
