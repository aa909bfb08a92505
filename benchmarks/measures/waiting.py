"""A job with very many waiting invocations: what they take, and whether it still answers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

from benchmarks.frame.rows import Group, Row, Target, show
from benchmarks.frame.samples import Samples
from benchmarks.frame.scale import Scale
from benchmarks.frame.stage import WORK_LIMIT, Stage
from benchmarks.frame.trial import Figures, Trial
from flowforge.codec.binary import encode_payload
from flowforge.engine.current import current_engine
from flowforge.engine.jobs.job_report import job_snapshot

#: Who emitted what waits: one handler everything, or many handlers a hundred each.
ONE, MANY = "waiting/one", "waiting/many"
EACH = 100

#: Times that ``show``, and pause with resume, are measured; the slowest counts.
LOOKS = 20


def waiting(emitters: str, scale: Scale) -> Figures:
    """Fans out and pauses. One worker takes what a job has in order: all emitters, then items."""
    count = scale.pick(100_000, 20_000, 2_000)
    # Wider emissions are staged, and their items would overtake them.
    widths = [1] if emitters == ONE else [count // EACH // 10, 10]
    with Stage(pinned=True) as stage:
        stage.start_flowforge()
        flow = stage.load("flows").waiting
        _expanded(flow, [1], 10).cancel()
        before = stage.client.info("memory")["used_memory"]
        job = _expanded(flow, widths, count // math.prod(widths))
        stage.end_workers()
        job.resume()
        after = stage.client.info("memory")["used_memory"]
        params = sum(len(encode_payload({"n": n}, 1000, "n")) for n in range(count))
        (engine,) = current_engine().each
        shows = [_timed(lambda: job_snapshot(engine, job.job_id)) for _ in range(LOOKS)]
        pauses, resumes = [], []
        for _ in range(LOOKS):
            pauses.append(_timed(job.pause))
            resumes.append(_timed(job.resume))
        return {
            "bytes_each": (after - before - params) / count,
            "params_bytes": params / count,
            "show_ms": max(shows),
            "show_p50_ms": median(shows),
            "pause_ms": max(pauses),
            "resume_ms": max(resumes),
            "cancel_ms": _timed(job.cancel),
        }


def _expanded(flow: Any, widths: list[int], each: int) -> Any:
    """A job all of whose items exist."""
    job = flow.execute("spread", {"widths": widths, "count": each}).wait(WORK_LIMIT)
    items = math.prod(widths) * each
    assert sum(job.counts.values()) == items, f"{job.counts} instead of {items} items"
    return job


def _timed(call: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def _answers(samples: Samples) -> str:
    names = ("show_ms", "show_p50_ms", "pause_ms", "resume_ms", "cancel_ms")
    return ", ".join(
        f"{name.removesuffix('_ms')} {show(_worst(samples, name))} ms" for name in names
    )


def _worst(samples: Samples, figure: str) -> float:
    return max(samples.median(trial, figure) for trial in (ONE, MANY))


def _sizes(samples: Samples) -> str:
    one, many = (show(samples.median(trial, "bytes_each")) for trial in (ONE, MANY))
    params = show(samples.median(ONE, "params_bytes"))
    return f"emitted by one handler {one} B, by many {many} B; params {params} B"


ROWS = [
    Row(
        "100k waiting invocations: server memory each, beyond their params",
        lambda samples: _worst(samples, "bytes_each"),
        Target("<=", 400, "B"),
        _sizes,
    ),
    Row(
        f"100k waiting invocations: slowest of {LOOKS} show, {LOOKS} pause, one cancel",
        lambda samples: max(_worst(samples, name) for name in ("show_ms", "pause_ms", "cancel_ms")),
        Target("<=", 50, "ms"),
        _answers,
    ),
]

GROUP = Group("waiting", [Trial(name, partial(waiting, name)) for name in (ONE, MANY)], ROWS)
