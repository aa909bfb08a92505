"""How fast one producer submits, without workers."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.frame.rows import Group, Row, Target, show
from benchmarks.frame.samples import Samples
from benchmarks.frame.scale import Scale
from benchmarks.frame.stage import Stage
from benchmarks.frame.trial import Figures, SkippedError, Trial

ONE, MANY, CELERY = "submit/execute", "submit/execute_many", "submit/apply_async"


def execute(scale: Scale) -> Figures:
    """One call a job."""
    with Stage(pinned=True) as stage:
        single = stage.load("flows").single

        def run(count: int) -> None:
            for _ in range(count):
                single.execute("only")

        return _measured(stage, run, scale.pick(4000, 1000, 5))


def execute_many(scale: Scale) -> Figures:
    """One call for all jobs."""
    with Stage(pinned=True) as stage:
        single = stage.load("flows").single
        if not hasattr(single, "execute_many"):
            raise SkippedError("this version has no execute_many")

        def run(count: int) -> None:
            jobs = single.execute_many("only", ({} for _ in range(count)))
            assert len(jobs) == count, f"{len(jobs)} of {count} jobs were submitted"

        return _measured(stage, run, scale.pick(40_000, 10_000, 5))


def apply_async(scale: Scale) -> Figures:
    """One call a task."""
    with Stage(pinned=True) as stage:
        nothing = stage.load("hop").nothing

        def run(count: int) -> None:
            for _ in range(count):
                nothing.apply_async()

        return _measured(stage, run, scale.pick(4000, 1000, 5))


def _measured(stage: Stage, run: Callable[[int], None], count: int) -> Figures:
    run(max(2, count // 20))
    with stage.watch() as usage:
        run(count)
    return usage.per_step(count)


def _detail(trial: str) -> Callable[[Samples], str]:
    def detail(samples: Samples) -> str:
        parts = [
            f"{name} {show(samples.median(which, 'steps_per_s'))}/s "
            f"({show(samples.median(which, 'producer_us'))} + "
            f"{show(samples.median(which, 'server_us'))} us producer + server)"
            for name, which in ((trial.rpartition("/")[2], trial), ("apply_async", CELERY))
        ]
        return ", ".join(parts)

    return detail


ROWS = [
    Row(
        "Submit, one producer: execute against apply_async",
        lambda samples: samples.ratio(ONE, CELERY, "steps_per_s"),
        Target(">=", 2, "x"),
        _detail(ONE),
    ),
    Row(
        "Submit, one producer: execute_many against apply_async",
        lambda samples: samples.ratio(MANY, CELERY, "steps_per_s"),
        Target(">=", 15, "x"),
        _detail(MANY),
    ),
]

GROUP = Group(
    "submit", [Trial(ONE, execute), Trial(MANY, execute_many), Trial(CELERY, apply_async)], ROWS
)
