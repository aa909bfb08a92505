"""The flows that are measured. Their steps do nothing."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from benchmarks.apps import ready
from flowforge import Flow, Join, Limit, Routine

__all__ = ["chain", "fan", "limited_chain", "naps", "ready", "single", "waiting"]


ROOM = Limit("bench-room", running=100_000)


class Step(Routine):
    """One link of a chain: passes a countdown on to itself."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.step)
        self.define_event("next", ["n"])

    def step(self, n: int) -> None:
        if n > 1:
            self.emit("next", n=n - 1)


class LimitedStep(Step):
    """The same, which counts at a limit that always has room."""

    def __init__(self) -> None:
        Routine.__init__(self)
        self.define_slot("input", handler=self.step, limit=ROOM)
        self.define_event("next", ["n"])


class Split(Routine):
    """Fans out: as many items as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.split)
        self.define_event("item", ["n"])

    def split(self, count: int) -> None:
        for n in range(count):
            self.emit("item", n=n)


class Spread(Routine):
    """Starts splits: as many as the product of ``widths``, in one handler for each width but one.

    Emissions so small are not staged, so all splits run before the first item.
    """

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.spread)
        self.define_event("spread", ["widths", "count", "last"])
        self.define_event("split", ["count", "last"])

    def spread(self, widths: list[int], count: int, last: bool = True) -> None:
        width, *rest = widths
        for number in range(1, width + 1):
            final = last and number == width
            if rest:
                self.emit("spread", widths=rest, count=count, last=final)
            else:
                self.emit("split", count=count, last=final)


class SplitAndPause(Split):
    """A split that pauses the job when it is the last one: all items exist, none is worked on."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("counted", handler=self.split_and_pause)

    def split_and_pause(self, count: int, last: bool) -> None:
        self.split(count)
        if last:
            self.job.pause()


class Item(Routine):
    """One of many: hands on what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.work)
        self.define_event("done", ["n"])

    def work(self, n: int) -> None:
        self.emit("done", n=n)


class Total(Routine):
    """Runs once when all items are there, and says how many there were."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("items", handler=self.total, join=Join.all())
        self.define_event("total", ["count", "sum"])

    def total(self, items: Collection[dict[str, Any]]) -> None:
        self.emit("total", count=len(items), sum=sum(item["n"] for item in items))


class Nothing(Routine):
    """A job of one step."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.nothing)

    def nothing(self) -> None:
        pass


def _chain(name: str, step: Step) -> Flow:
    flow = Flow(name)
    flow.add_routine(step, "step")
    flow.connect("step", "next", "step", "input")
    return flow


def _fan() -> Flow:
    flow = Flow("bench-fan")
    flow.add_routine(Split(), "split")
    flow.add_routine(Item(), "item")
    flow.add_routine(Total(), "total")
    flow.connect("split", "item", "item", "input")
    flow.connect("item", "done", "total", "items")
    return flow


def _single() -> Flow:
    flow = Flow("bench-single")
    flow.add_routine(Nothing(), "only")
    return flow


class Nap(Routine):
    """A step that takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.nap)

    def nap(self, seconds: float) -> None:
        time.sleep(seconds)


def _naps() -> Flow:
    flow = Flow("bench-naps")
    flow.add_routine(Nap(), "nap")
    return flow


def _waiting() -> Flow:
    """Fans out, in one or in many handlers, and stops there."""
    flow = Flow("bench-waiting")
    flow.add_routine(Spread(), "spread")
    flow.add_routine(SplitAndPause(), "split")
    flow.add_routine(Item(), "item")
    flow.connect("spread", "spread", "spread", "input")
    flow.connect("spread", "split", "split", "counted")
    flow.connect("split", "item", "item", "input")
    return flow


chain, fan, single, waiting = _chain("bench-chain", Step()), _fan(), _single(), _waiting()
limited_chain = _chain("bench-limited-chain", LimitedStep())
naps = _naps()
