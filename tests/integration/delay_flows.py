"""Flows whose deliveries are put off."""

from __future__ import annotations

from typing import Any

from flowforge import Flow, Join, Limit, Routine, routine
from tests.integration.flows import Countdown


class Reminder(Routine):
    """Emits ``now`` at once, and ``later`` once for each of the delays in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.go)
        self.define_event("now")
        self.define_event("later")

    def go(self, delays: list[float]) -> None:
        self.emit("now", number=0)
        for number, delay in enumerate(delays, start=1):
            self.emit_later("later", delay, number=number)


class Gather(Routine):
    """Joins all that comes."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.add, join=Join.all())
        self.define_event("output")

    def add(self, items: list[dict[str, Any]]) -> None:
        self.emit("output", numbers=sorted(item["number"] for item in items))


class Append(Routine):
    """Emits how many deliveries it has seen with each."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.seen, merge_strategy="append")
        self.define_event("output")

    def seen(self, number: list[int]) -> None:
        self.emit("output", numbers=list(number))


@routine
def digest(items: list[dict[str, int]]) -> dict[str, list[int]]:
    """What all calls of a debounced job have sent."""
    return {"numbers": [item["n"] for item in items]}


@routine
def tell(number: int) -> dict[str, int]:
    return {"number": number}


def reminders(target: type[Routine] = tell, delay: float | None = None) -> Flow:
    """``delay``: of the connection from ``later``."""
    flow = Flow()
    flow.add_routine(Reminder, "remind")
    flow.add_routine(target, "target")
    flow.connect("remind", "now", "target", "input")
    flow.connect("remind", "later", "target", "input", delay=delay)
    return flow


IMPORTS = Limit("delay-imports", per="customer", running=1)


class Import(Countdown):
    """Calls itself ``n`` times, for a customer."""

    def go(self, n: int, customer: str = "") -> None:
        super().go(n)


def imports() -> Flow:
    """One job of a customer at a time."""
    flow = Flow("delay-imports", limit=IMPORTS)
    flow.add_routine(Import, "it")
    flow.connect("it", "next", "it", "input")
    return flow
