"""How long a job of one step takes: on an idle fleet, and while a large job drains."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.frame.rows import Group, Row, Target, show
from benchmarks.frame.samples import Samples
from benchmarks.frame.scale import Scale
from benchmarks.frame.stage import WORK_LIMIT, Stage
from benchmarks.frame.trial import Figures, Trial

FLOWFORGE, CELERY, DRAINING = "latency/flowforge", "latency/celery", "latency/draining"


def flowforge(scale: Scale) -> Figures:
    """``execute`` to ``wait`` returning, one after the other."""
    with Stage(pinned=True) as stage:
        stage.start_flowforge()
        single = stage.load("flows").single
        return _figures(lambda: single.execute("only").wait(WORK_LIMIT), scale)


def celery(scale: Scale) -> Figures:
    """``delay().get()`` on a Redis result backend."""
    with Stage(pinned=True) as stage:
        stage.start_celery("benchmarks.apps.canvas")
        step = stage.load("canvas").step
        return _figures(lambda: step.delay().get(timeout=WORK_LIMIT), scale)


def _figures(once: Callable[[], Any], scale: Scale) -> Figures:
    for _ in range(scale.pick(20, 20, 1)):
        once()
    times = _times(once, scale.pick(300, 100, 3))
    return {"p50_ms": median(times), "p95_ms": times[int(len(times) * 0.95)]}


def draining(scale: Scale) -> Figures:
    """One-step jobs on the same worker, first alone, then while a large fan-out is worked off."""
    size, samples = scale.pick((100_000, 100), (20_000, 20), (200, 1))
    with Stage(pinned=True) as stage:
        stage.start_flowforge()
        flows = stage.load("flows")

        def once() -> Any:
            return flows.single.execute("only").wait(WORK_LIMIT)

        _times(once, scale.pick(20, 20, 1))
        idle = median(_times(once, samples))
        large = flows.fan.execute("split", {"count": size})
        while _completed(large) < size // 100:
            time.sleep(0.01)
        busy = _times(once, samples)
        left = size - _completed(large)
        assert left > 0 or scale is Scale.TINY, "the large job ended before the small ones"
        large.cancel()
        return {
            "idle_p50_ms": idle,
            "busy_max_ms": busy[-1],
            "busy_p50_ms": median(busy),
            "ratio": busy[-1] / idle,
            "left": float(left),
        }


def _completed(job: Any) -> int:
    """Items of a fan-out that are done."""
    state = job.get_routine_state("item")
    return int(state["completed"]) if state else 0


def _times(once: Callable[[], Any], count: int) -> list[float]:
    """Milliseconds of each call, the fastest first."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        once()
        times.append((time.perf_counter() - began) * 1000)
    return sorted(times)


def _both(samples: Samples) -> str:
    parts = [
        f"{name} p50 {show(samples.median(trial, 'p50_ms'))} ms, "
        f"p95 {show(samples.median(trial, 'p95_ms'))} ms"
        for name, trial in (("FlowForge", FLOWFORGE), ("Celery", CELERY))
    ]
    return "; ".join(parts)


def _busy(samples: Samples) -> str:
    idle, typical, longest, left = (
        show(samples.median(DRAINING, name))
        for name in ("idle_p50_ms", "busy_p50_ms", "busy_max_ms", "left")
    )
    return f"idle {idle} ms; draining p50 {typical} ms, longest {longest} ms, {left} items left"


ROWS = [
    Row(
        "One-step job while a 100k job drains: longest of 100, against the idle p50",
        lambda samples: samples.median(DRAINING, "ratio"),
        Target("<=", 20, "x"),
        _busy,
    ),
    Row(
        "Idle latency p50, execute to wait, against delay().get()",
        lambda samples: samples.ratio(FLOWFORGE, CELERY, "p50_ms"),
        Target("<=", 1.5, "x"),
        _both,
    ),
]

GROUP = Group(
    "latency",
    [Trial(DRAINING, draining), Trial(FLOWFORGE, flowforge), Trial(CELERY, celery)],
    ROWS,
)
