"""Celery's canvas with a Redis result backend, against the same work as flows."""

from __future__ import annotations

from functools import partial

from celery import chain, chord

from benchmarks.frame.rows import Group, Row, Target
from benchmarks.frame.scale import Scale
from benchmarks.frame.stage import WORK_LIMIT, Stage
from benchmarks.frame.trial import Figures, Trial
from benchmarks.measures.chain import JOBS, rates, steps_of
from benchmarks.measures.fanout import name_of

LONG = "canvas/chain/long"
SHORT = "canvas/chain/short"
CHORD = "canvas/chord"

#: Steps of the shorter chains. A chain's message carries all that is left of it, so the cost of a
#: step grows with the chain; the shorter ones show Celery at its better.
SHORTER = 25


def chains(shorter: bool, scale: Scale) -> Figures:
    """As many steps in all as the flows' chains have."""
    steps = JOBS * steps_of(scale)
    length = min(SHORTER, steps_of(scale)) if shorter else steps_of(scale)
    with Stage(pinned=True) as stage:
        stage.start_celery("benchmarks.apps.canvas")
        app = stage.load("canvas")

        def run(count: int, each: int) -> None:
            results = [chain(*[app.step.si() for _ in range(each)])() for _ in range(count)]
            for result in results:
                result.get(timeout=WORK_LIMIT)

        run(JOBS, 2)
        with stage.watch() as usage:
            run(steps // length, length)
        return usage.per_step(steps // length * length)


def chords(scale: Scale) -> Figures:
    """One group of 1,000 with a task that gets all results."""
    size = scale.pick(1000, 300, 10)
    with Stage(pinned=True) as stage:
        stage.start_celery("benchmarks.apps.canvas")
        app = stage.load("canvas")

        def run(count: int) -> None:
            result = chord((app.item.si(n) for n in range(count)), app.total.s())()
            assert result.get(timeout=WORK_LIMIT) == count * (count - 1) // 2

        run(10)
        with stage.watch() as usage:
            run(size)
        return usage.per_step(size)


ROWS = [
    Row(
        f"Chain, solo1: steps/s against celery.chain of {SHORTER} steps, Redis backend",
        lambda samples: samples.ratio("chain/flowforge/solo1", SHORT, "steps_per_s"),
        Target(">=", 5, "x"),
        lambda samples: rates(samples, "chain/flowforge/solo1", SHORT),
    ),
    Row(
        "Chain, solo1: steps/s against celery.chain of 250 steps, Redis backend",
        lambda samples: samples.ratio("chain/flowforge/solo1", LONG, "steps_per_s"),
        Target(">=", 5, "x"),
        lambda samples: rates(samples, "chain/flowforge/solo1", LONG),
    ),
    Row(
        "Fan-out of 1,000 and join, solo1: steps/s against chord(group(1,000)), Redis backend",
        lambda samples: samples.ratio(name_of(1_000), CHORD, "steps_per_s"),
        Target(">=", 5, "x"),
        lambda samples: rates(samples, name_of(1_000), CHORD),
    ),
]

GROUP = Group(
    "canvas",
    [
        Trial(SHORT, partial(chains, True)),
        Trial(LONG, partial(chains, False), quick=False),
        Trial(CHORD, chords),
    ],
    ROWS,
)
