"""The jobs of the simulation: a wide one, and one of a single step."""

from __future__ import annotations

from flowforge import Flow, Routine

#: The queue of the step that fans out: it is run by the simulation itself.
ENTRY = "scaling-entry"


def params(n: int) -> dict[str, object]:
    """Of an item: something the size of a reference, and a number."""
    return {"path": "/data/somewhere/a/file.csv", "n": n}


class Spread(Routine):
    """Fans out."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.spread)
        self.define_event("item", ["path", "n"])

    def spread(self, items: int) -> None:
        for n in range(items):
            self.emit("item", **params(n))


class Work(Routine):
    """What the simulated workers pretend to run, and real ones run: nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.work)

    def work(self) -> None:
        pass


def wide(max_in_flight: int) -> Flow:
    flow = Flow("scaling-wide", max_in_flight=max_in_flight)
    flow.add_routine(Spread(), "spread", queue=ENTRY)
    flow.add_routine(Work(), "work")
    flow.connect("spread", "item", "work", "input")
    return flow


def single() -> Flow:
    flow = Flow("scaling-single")
    flow.add_routine(Work(), "work")
    return flow


def is_item(invocation: str) -> bool:
    """Whether an invocation is one of the wide job's items: they run the flow's second routine."""
    return invocation.split(".")[1] == "1"
