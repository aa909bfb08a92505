"""Jobs whose attempts run about as long as they may, and what must hold of them."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from flowforge import ErrorHandler, Flow, Routine
from flowforge.model.jobs.job_handle import HistoryEntry

MODULE = __name__

#: Seconds that an attempt may take; handlers take up to twice as long.
TIMEOUT = 0.3

#: Outcomes of an invocation, of which each has exactly one.
_OUTCOMES = ("completed", "skipped")


class Source(Routine):
    """Emits a step for each of the numbers of milliseconds."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.go)
        self.define_event("step")

    def go(self, steps: list[int]) -> None:
        for ms in steps:
            self.emit("step", ms=ms)


class Step(Routine):
    """Takes its time, whatever it is told meanwhile, and emits an output. Each other one asks for
    more time at the last moment, or too late.
    """

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.take, timeout=TIMEOUT)
        self.define_event("done")

    def take(self, ms: int) -> None:
        time.sleep(0.9 * ms / 1000)
        if ms % 2:
            self.extend(0.1)
        time.sleep(0.1 * ms / 1000)
        self.emit("done", ms=ms)


def _timed_flow() -> Flow:
    flow = Flow("chaos-timed")
    flow.add_routine(Source(), "source")
    step = Step()
    step.set_error_handler(ErrorHandler("skip"))
    flow.add_routine(step, "step")
    flow.connect("source", "step", "step", "input")
    return flow


FLOW = _timed_flow()


def steps_of(rng: random.Random, number: int) -> dict[str, Any]:
    """Params of a job with so many steps, of which many end at the moment of their timeout."""
    top = int(2000 * TIMEOUT)
    near = int(1000 * TIMEOUT)
    steps = [
        rng.randint(near - 20, near + 300) if rng.random() < 0.5 else rng.randint(0, top)
        for _ in range(number)
    ]
    return {"steps": steps}


def wrong_outcomes(history: Iterable[HistoryEntry], outputs: int, number: int) -> list[str]:
    """What does not hold of a job that has completed, with so many steps."""
    ends: Counter[int] = Counter()
    completed = 0
    for entry in history:
        if entry.kind in _OUTCOMES and entry.invocation is not None:
            ends[entry.invocation] += 1
            completed += entry.kind == "completed" and entry.routine_id == "step"
    wrong = [f"invocation {n} has {count} outcomes" for n, count in ends.items() if count != 1]
    if len(ends) != number + 1:
        wrong.append(f"{len(ends)} invocations have an outcome, not {number + 1}")
    if completed != outputs:
        wrong.append(f"{completed} steps completed, {outputs} outputs are there")
    return wrong
