"""Chains of no-op steps: FlowForge, the hand-written hop, and the floor, on the same pools."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.frame.rows import Group, Row, Target, show
from benchmarks.frame.samples import Samples
from benchmarks.frame.scale import Scale
from benchmarks.frame.stage import WORK_LIMIT, Stage
from benchmarks.frame.trial import Figures, Trial

JOBS = 16

#: A queue that no worker serves, until its list is renamed.
HELD = "held"


@dataclass(frozen=True)
class Setting:
    """Workers of one kind. One worker process shares one core with server and producer."""

    name: str
    pool: str
    size: int
    count: int
    pinned: bool
    #: Steps per second against the hop.
    target: float
    #: Whether the quick run has it as well.
    quick: bool = True


SETTINGS = (
    Setting("solo1", "solo", 1, 1, True, 4.0),
    Setting("solo2", "solo", 1, 2, False, 3.5, quick=False),
    Setting("prefork2", "prefork", 2, 1, False, 3.0),
    Setting("threads4", "threads", 4, 1, True, 2.5),
    Setting("threads4free", "threads", 4, 1, False, 2.5, quick=False),
)


def steps_of(scale: Scale) -> int:
    """Steps of each of the chains."""
    return scale.pick(250, 60, 3)


def warm_up_of(scale: Scale) -> int:
    return scale.pick(20, 10, 2)


def flowforge(setting: Setting, scale: Scale, *, durable: bool = False) -> Figures:
    """Chains of a routine that is connected to itself."""
    steps = steps_of(scale)
    with Stage(pinned=setting.pinned, durable=durable) as stage:
        stage.start_flowforge(setting.pool, setting.size, setting.count)
        chain = stage.load("flows").chain

        def run(length: int) -> list[object]:
            jobs = [chain.execute("step", {"n": length}) for _ in range(JOBS)]
            return [job.wait(WORK_LIMIT) for job in jobs]

        run(warm_up_of(scale))
        with stage.watch() as usage:
            jobs = run(steps)
        for job in jobs:
            state = job.get_routine_state("step")  # type: ignore[attr-defined]
            assert state["completed"] == steps, f"{state['completed']} of {steps} steps are done"
        return usage.per_step(JOBS * steps)


def hop(setting: Setting, scale: Scale) -> Figures:
    """Chains of a Celery task that calls itself."""
    steps = steps_of(scale)
    with Stage(pinned=setting.pinned) as stage:
        stage.start_celery("benchmarks.apps.hop", setting.pool, setting.size, setting.count)
        app = stage.load("hop")

        def run(length: int) -> None:
            for job in range(JOBS):
                app.hop.delay(str(job), length)
            for job in range(JOBS):
                stage.await_item(f"done:{job}")

        run(warm_up_of(scale))
        with stage.watch() as usage:
            run(steps)
        return usage.per_step(JOBS * steps)


def floor(setting: Setting, scale: Scale) -> Figures:
    """Tasks that were queued before, so that nothing else costs anything."""
    steps = JOBS * steps_of(scale)
    with Stage(pinned=setting.pinned) as stage:
        stage.start_celery("benchmarks.apps.floor", setting.pool, setting.size, setting.count)
        app = stage.load("floor")

        def queue(length: int) -> None:
            for _ in range(length - 1):
                app.nothing.apply_async(queue=HELD)
            app.tell.apply_async(("ended",), queue=HELD)

        queue(JOBS * warm_up_of(scale))
        stage.client.rename(HELD, app.app.conf.task_default_queue)
        stage.await_item("ended")
        queue(steps)
        with stage.watch() as usage:
            stage.client.rename(HELD, app.app.conf.task_default_queue)
            stage.await_item("ended")
        return usage.per_step(steps)


_KINDS: dict[str, Callable[[Setting, Scale], Figures]] = {
    "flowforge": flowforge,
    "hop": hop,
    "floor": floor,
}

DURABLE = "chain/flowforge/solo1-everysec"


def _trials() -> list[Trial]:
    found = [
        Trial(
            f"chain/{kind}/{setting.name}",
            partial(run, setting),
            quick=setting.quick and (kind != "floor" or setting.name == "solo1"),
        )
        for setting in SETTINGS
        for kind, run in _KINDS.items()
    ]
    return [*found, Trial(DURABLE, partial(flowforge, SETTINGS[0], durable=True))]


def _rate_row(setting: Setting) -> Row:
    name = setting.name
    return Row(
        f"Chain {JOBS} x 250, {name}: steps/s against a Celery hop",
        lambda samples: samples.ratio(
            f"chain/flowforge/{name}", f"chain/hop/{name}", "steps_per_s"
        ),
        Target(">=", setting.target, "x"),
        lambda samples: rates(samples, f"chain/flowforge/{name}", f"chain/hop/{name}"),
    )


def _cpu_row(setting: Setting) -> Row:
    name = setting.name
    return Row(
        f"Chain {JOBS} x 250, {name}: worker CPU per step against a Celery hop",
        lambda samples: samples.ratio(f"chain/flowforge/{name}", f"chain/hop/{name}", "worker_us"),
        Target("<=", 0.27, "x"),
        lambda samples: cpu(samples, f"chain/flowforge/{name}", f"chain/hop/{name}"),
    )


def _floor_row(setting: Setting) -> Row:
    name = setting.name
    return Row(
        f"Chain {JOBS} x 250, {name}: steps/s against the floor",
        lambda samples: samples.ratio(
            f"chain/flowforge/{name}", f"chain/floor/{name}", "steps_per_s"
        ),
        Target(">=", 0.6, "x"),
        lambda samples: rates(samples, f"chain/flowforge/{name}", f"chain/floor/{name}"),
    )


def rates(samples: Samples, one: str, other: str) -> str:
    """Both rates, for a row's detail."""
    mine, theirs = (samples.median(trial, "steps_per_s") for trial in (one, other))
    return f"{show(mine)} against {show(theirs)} steps/s"


def cpu(samples: Samples, one: str, other: str) -> str:
    """CPU a step of worker and server of both, for a row's detail."""
    parts = [
        f"{show(samples.median(trial, 'worker_us'))} + {show(samples.median(trial, 'server_us'))}"
        for trial in (one, other)
    ]
    return f"worker + server us: {parts[0]} against {parts[1]}"


ROWS = [
    *(_rate_row(setting) for setting in SETTINGS),
    *(_cpu_row(setting) for setting in SETTINGS),
    *(_floor_row(setting) for setting in SETTINGS),
    Row(
        "Chain, solo1: steps/s with appendfsync everysec against no persistence",
        lambda samples: samples.ratio(DURABLE, "chain/flowforge/solo1", "steps_per_s"),
        Target(">=", 0.8, "x"),
        lambda samples: rates(samples, DURABLE, "chain/flowforge/solo1"),
    ),
]

GROUP = Group("chain", _trials(), ROWS)
