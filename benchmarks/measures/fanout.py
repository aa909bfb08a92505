"""One handler emits many items, a routine works on each, one joins them all."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.frame.rows import Group, Row, Target, show
from benchmarks.frame.samples import Samples
from benchmarks.frame.scale import Scale
from benchmarks.frame.scripts import ScriptTimes
from benchmarks.frame.stage import WORK_LIMIT, Stage
from benchmarks.frame.trial import Figures, Trial

SIZES = (1_000, 10_000, 100_000)


def name_of(size: int) -> str:
    """The trial with ``size`` items."""
    return f"fanout/{size}"


LARGEST = name_of(SIZES[-1])


def items_of(size: int, scale: Scale) -> int:
    return scale.pick(size, max(300, size // 20), 5)


def fan_out(size: int, scale: Scale) -> Figures:
    """Measured from ``execute`` to the end of the job; a step is an item."""
    count = items_of(size, scale)
    with Stage(pinned=True, config=ScriptTimes.CONFIG) as stage:
        stage.start_flowforge()
        flow = stage.load("flows").fan
        _run(flow, 50)
        times = ScriptTimes(stage.client)
        before = stage.workers_peak_mib()
        with stage.watch() as usage:
            job = _run(flow, count)
        # Every item, the split and the join are committed once.
        scripts = times.figures(commits=count + 2)
        grown = stage.workers_peak_mib() - before
        joins = _joins(job, count)
        return {**usage.per_step(count), **scripts, "joins": joins, "worker_mib": grown}


def _run(flow: Any, count: int) -> Any:
    job = flow.execute("split", {"count": count})
    return job.wait(WORK_LIMIT)


def _joins(job: Any, count: int) -> float:
    """How often the join fired; AssertionError when it was not with everything."""
    totals = [output.params for output in job.outputs]
    right = {"count": count, "sum": count * (count - 1) // 2}
    assert totals, "the join did not fire"
    assert all(total == right for total in totals), f"{totals} instead of {right}"
    return float(len(totals))


def _growth(samples: Samples) -> float:
    """The cost of a step at the largest against the smallest: wall time or CPU, the worse."""
    smallest = name_of(SIZES[0])
    return max(samples.ratio(LARGEST, smallest, figure) for figure in ("wall_us", "cpu_us"))


def _costs(samples: Samples) -> str:
    return "wall / worker / server us a step: " + "; ".join(
        f"{size // 1000}k "
        + " / ".join(
            show(samples.median(name_of(size), figure))
            for figure in ("wall_us", "worker_us", "server_us")
        )
        for size in SIZES
    )


def _worst_join(samples: Samples) -> float:
    return max(n for trial in map(name_of, SIZES) for n in samples.of(trial, "joins"))


def _script_detail(samples: Samples) -> str:
    longest = show(samples.median(LARGEST, "commit_max_ms"))
    other = show(samples.median(LARGEST, "script_max_ms"))
    return f"longest commit {longest} ms, longest script {other} ms"


ROWS = [
    Row(
        "Fan-out with join, 100k: cost per step against 1k (wall or CPU, the worse)",
        _growth,
        Target("<=", 1.2, "x"),
        _costs,
    ),
    Row(
        "Fan-out with join, 100k: p99 of the commit script in the server",
        lambda samples: samples.median(LARGEST, "commit_p99_ms"),
        Target("<=", 5, "ms"),
        _script_detail,
    ),
    Row(
        "Fan-out with join: how often the join fires, with all items",
        _worst_join,
        Target("<=", 1),
    ),
    Row(
        "100k emissions of one handler, joined: MiB that the worker grows at its peak",
        lambda samples: samples.median(LARGEST, "worker_mib"),
        None,
        lambda samples: f"1k: {show(samples.median(name_of(SIZES[0]), 'worker_mib'))}",
    ),
]

GROUP = Group(
    "fanout",
    [Trial(name_of(size), partial(fan_out, size)) for size in SIZES],
    ROWS,
)
