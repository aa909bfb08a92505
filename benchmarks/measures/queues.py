"""The hop on leaner Python queues, one worker on one core as FlowForge's."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Sequence
from functools import partial

from benchmarks.frame.rows import Group, Row, Target
from benchmarks.frame.samples import Samples
from benchmarks.frame.scale import Scale
from benchmarks.frame.stage import Stage
from benchmarks.frame.trial import Figures, SkippedError, Trial
from benchmarks.measures.chain import JOBS, rates, steps_of, warm_up_of

FLOWFORGE = "chain/flowforge/solo1"

#: Warnings are logged, as by everyone else here; and with Huey's default, two lines for each task.
HUEY = "queues/huey/quiet"
HUEY_LOGGING = "queues/huey/logging"

#: SAQ runs coroutines: with one at a time as FlowForge's solo worker, and with its default of ten.
SAQ = ("queues/saq/1", "queues/saq/10")


def huey(options: Sequence[str], scale: Scale) -> Figures:
    """Huey, one thread: the task's message is removed before it runs, so it runs at most once."""
    _require("huey")
    with Stage(pinned=True) as stage:
        stage.start("huey.bin.huey_consumer", "benchmarks.apps.huey_hop.app", "-w", "1", *options)
        app = stage.load("huey_hop")

        def run(length: int) -> None:
            for job in range(JOBS):
                app.hop(str(job), length)
            for job in range(JOBS):
                stage.await_item(f"done:{job}")

        run(warm_up_of(scale))
        with stage.watch() as usage:
            run(steps_of(scale))
        return usage.per_step(JOBS * steps_of(scale))


def saq(concurrency: int, scale: Scale) -> Figures:
    """SAQ with ``concurrency`` jobs at a time in one process."""
    _require("saq")
    os.environ["BENCH_SAQ_CONCURRENCY"] = str(concurrency)
    with Stage(pinned=True) as stage:
        stage.start("saq", "benchmarks.apps.saq_hop.settings")
        app = stage.load("saq_hop")

        def run(length: int) -> None:
            asyncio.run(app.submit(JOBS, length))
            for job in range(JOBS):
                stage.await_item(f"done:{job}")

        run(warm_up_of(scale))
        with stage.watch() as usage:
            run(steps_of(scale))
        return usage.per_step(JOBS * steps_of(scale))


def _require(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise SkippedError(f'{package} is not installed: pip install -e ".[bench]"')


def _better_saq(samples: Samples) -> str:
    """SAQ's faster setting: FlowForge has to beat that one."""
    measured = [trial for trial in SAQ if samples.has(trial)] or [SAQ[1]]
    return max(measured, key=lambda trial: samples.median(trial, "steps_per_s"))


ROWS = [
    Row(
        "Chain, solo1: steps/s against Huey's hop (at most once)",
        lambda samples: samples.ratio(FLOWFORGE, HUEY, "steps_per_s"),
        Target(">=", 1.5, "x"),
        lambda samples: rates(samples, FLOWFORGE, HUEY),
    ),
    Row(
        "The same, while Huey logs two lines for each task (its default)",
        lambda samples: samples.ratio(FLOWFORGE, HUEY_LOGGING, "steps_per_s"),
        None,
        lambda samples: rates(samples, FLOWFORGE, HUEY_LOGGING),
    ),
    Row(
        "Chain, solo1: steps/s against SAQ's hop, the faster of 1 and 10 at a time",
        lambda samples: samples.ratio(FLOWFORGE, _better_saq(samples), "steps_per_s"),
        Target(">=", 1.5, "x"),
        lambda samples: rates(samples, FLOWFORGE, _better_saq(samples)),
    ),
]

GROUP = Group(
    "queues",
    [
        Trial(HUEY, partial(huey, ("-q",))),
        Trial(HUEY_LOGGING, partial(huey, ()), quick=False),
        Trial(SAQ[0], partial(saq, 1), quick=False),
        Trial(SAQ[1], partial(saq, 10)),
    ],
    ROWS,
)
