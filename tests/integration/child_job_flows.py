"""Flows that start jobs, and one whose handlers compute."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from flowforge import Flow, Join, Routine


class Gather(Routine):
    """A join that is an entry."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("items", self.gather, join=Join.all())
        self.define_event("sum")

    def gather(self, items: list[dict[str, int]]) -> None:
        self.emit("sum", n=len(items))


class Mendable(Routine):
    """Fails until its file is there, then takes some steps of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", self.go)
        self.define_event("step", ["left", "mended"])

    def go(self, mended: str, left: int = 3) -> None:
        if not Path(mended).exists():
            raise ValueError("not mended yet")
        if left:
            self.emit("step", left=left - 1, mended=mended)


class Starter(Routine):
    """Starts a job at the entry ``it`` of the flow that its class names."""

    inner: Flow
    priority: int | None = None
    max_in_flight: int | None = None

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", self.go)
        self.define_event("done")

    def go(self, **params: object) -> None:
        self.start(
            self.inner, "it", params, event="done", priority=self.priority,
            max_in_flight=self.max_in_flight,
        )  # fmt: skip


def _single(name: str, routine: Routine) -> Flow:
    flow = Flow(name)
    flow.add_routine(routine, "it")
    return flow


gathered = _single("gathered", Gather())
mendable = _single("mendable", Mendable())
mendable.connect("it", "step", "it", "input")
narrow = Flow("narrow", max_in_flight=3)
narrow.add_routine(Gather(), "it")


class StartsGather(Starter):
    inner = gathered


class StartsMendable(Starter):
    inner = mendable


class StartsNarrow(Starter):
    inner = narrow


class StartsUrgent(Starter):
    inner = gathered
    priority = 0
    max_in_flight = 9


starts_gather = _single("starts-gather", StartsGather())
starts_mendable = _single("starts-mendable", StartsMendable())
starts_narrow = _single("starts-narrow", StartsNarrow())
starts_urgent = _single("starts-urgent", StartsUrgent())


class StartsStarter(Starter):
    inner = starts_mendable


generations = _single("generations", StartsStarter())


class StartsAny(Routine):
    """Starts a job that fails until its file is there, in the way that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", self.go)
        self.define_event("done")

    def go(self, mended: str, **how: Any) -> None:
        self.set_stat("job", self.start(mendable, "it", {"mended": mended}, **how))


starts_any = _single("starts-any", StartsAny())


class Many(Routine):
    """Emits what the busy handlers get."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", self.go)
        self.define_event("item", ["log"])

    def go(self, n: int, log: str) -> None:
        for _ in range(n):
            self.emit("item", log=log)


class Busy(Routine):
    """Notes when it starts, by the machine's clock, and keeps its thread's turn for 10 ms."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", self.go)

    def go(self, log: str) -> None:
        line = b"%d\n" % time.monotonic_ns()
        with open(log, "ab", buffering=0) as file:
            os.write(file.fileno(), line)
        end = time.perf_counter() + 0.01
        while time.perf_counter() < end:
            pass


busy = Flow("busy")
busy.add_routine(Many(), "many")
busy.add_routine(Busy(), "busy")
busy.connect("many", "item", "busy", "input")
