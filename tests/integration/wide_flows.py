"""Routines of wide flows that the workers of these tests import."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowforge import ErrorHandler, ErrorStrategy, Flow, Join, Routine
from tests.integration.flows import Fan, FlakyError, One, wait_for
from tests.integration.notes import note


class Picky(One):
    """Passes even numbers on and fails at odd ones."""

    def go(self, number: int, **rest: Any) -> None:
        if number % 2:
            raise ValueError(f"{number} is odd")
        self.emit("output", number=number)


class Retried(One):
    """Fails at the first attempt of every third number."""

    def go(self, number: int, **rest: Any) -> None:
        if number % 3 == 0 and self.attempt == 1:
            raise FlakyError(f"not yet: {number}")
        self.emit("output", number=number)


class Gathered(Routine):
    """Joins everything, reading it in more than one way."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("items", handler=self.gather, join=Join.all())
        self.define_event("output")

    def gather(self, items: Sequence[Any]) -> None:
        self.increment_stat("fired")
        numbers = [item["number"] for item in items]
        assert items[0]["number"] == numbers[0]
        assert items[-1]["number"] == numbers[-1]
        assert [item["number"] for item in items[2:5]] == numbers[2:5]
        self.emit("output", count=len(items), total=sum(numbers), distinct=len(set(numbers)))


class Batches(Routine):
    """Joins every seven; the rest too, when nothing more can come."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("items", handler=self.gather, join=Join.count(7, otherwise="fire"))
        self.define_event("output")

    def gather(self, items: Sequence[Any]) -> None:
        self.emit("output", size=len(items))


class Never(Routine):
    """Waits for more than there will ever be."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("items", handler=self.gather, join=Join.count("wanted"))
        self.define_event("output")

    def gather(self, items: Sequence[Any]) -> None:
        self.emit("output", size=len(items))


class Starts(Routine):
    """Starts a job for each number."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.go)
        self.define_event("done", ["job_id", "outputs"])

    def go(self, number: int, gate: str = "", log: str = "", **rest: Any) -> None:
        self.start(INNER, "it", {"number": number, "gate": gate, "log": log}, event="done")


class Inner(One):
    """What a started job runs; fails at 13."""

    def go(self, number: int, gate: str = "", log: str = "") -> None:
        if number == 13:
            raise ValueError("13 brings bad luck")
        if gate:
            note(log, number)
            wait_for(gate)
        self.emit("output", number=number)


def inner_flow() -> Flow:
    flow = Flow("inner")
    flow.add_routine(Inner, "it")
    return flow


INNER = inner_flow()


def gathering(part: type[Routine], handler: ErrorHandler | None = None) -> Flow:
    """fan -> part -> join of all"""
    flow = Flow("gathering", max_in_flight=10)
    flow.add_routine(Fan, "fan")
    flow.add_routine(part, "part")
    flow.add_routine(Gathered, "join")
    flow.connect("fan", "output", "part", "input")
    flow.connect("part", "output", "join", "items")
    if handler is not None:
        flow.set_error_handler(handler)
    return flow


def passing_over(strategy: ErrorStrategy) -> Flow:
    """Numbers that fail are passed over by this strategy."""
    return gathering(Picky, ErrorHandler(strategy=strategy))


def joining(part: type[Routine]) -> Flow:
    """fan -> join"""
    flow = Flow("joining")
    flow.add_routine(Fan, "fan")
    flow.add_routine(part, "join")
    flow.connect("fan", "output", "join", "items")
    return flow


def starting() -> Flow:
    """fan -> a job for each number"""
    flow = Flow("starting")
    flow.add_routine(Fan, "fan")
    flow.add_routine(Starts, "starts")
    flow.connect("fan", "output", "starts", "input")
    return flow


def inside_out() -> Flow:
    """fan -> a sub-flow that joins -> one more step"""
    outer = Flow("outer")
    outer.add_routine(Fan, "before")
    outer.add_flow(joining_inside(), "inside")
    outer.add_routine(One, "after")
    outer.connect("before", "output", "inside", "input")
    outer.connect("inside", "output", "after", "input")
    return outer


def joining_inside() -> Flow:
    flow = Flow("joins-inside")
    flow.add_routine(Retried, "part")
    flow.add_routine(Gathered, "join")
    flow.connect("part", "output", "join", "items")
    flow.set_error_handler(ErrorHandler(strategy=ErrorStrategy.RETRY, retry_delay=0.05))
    return flow
