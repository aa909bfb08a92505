"""Routines and functions that tests of the model share; at top level, as users write them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flowforge.model.answers.expectation import Expect, Ticket
from flowforge.model.error_handler import ErrorHandler
from flowforge.model.flow import FlowGraph
from flowforge.model.routine import Routine


class ServiceDownError(Exception):
    """A retryable exception of a user's own."""


class Recorder:
    """An invocation that notes what a handler asked of it."""

    job: Any = "the job"
    job_id = "j1"
    attempt_number = 2
    checkpoint: Any = None
    scheduled_at: datetime | None = None
    cancelled = False

    def __init__(self) -> None:
        self.emitted: list[tuple[str, dict[str, Any]]] = []
        self.later: list[int] = []
        self.extended: list[int] = []
        self.recorded: list[tuple[str, str | None, object]] = []
        self.reset: list[str] = []
        self.expected: list[tuple[list[Expect], Any, object, Any]] = []
        self.undo_params: dict[str, Any] = {}

    def emit(self, event: str, params: dict[str, Any], later_ms: int = 0) -> None:
        self.emitted.append((event, params))
        self.later.append(later_ms)

    def record_stat(self, op: str, name: str | None, value: object) -> None:
        self.recorded.append((op, name, value))

    def extend(self, ms: int) -> None:
        self.extended.append(ms)

    def start(self, *arguments: Any) -> str:
        raise NotImplementedError

    def expect(
        self, wanted: Sequence[Expect], within: Any, otherwise: object, remind: Any
    ) -> list[Ticket]:
        self.expected.append((list(wanted), within, otherwise, remind))
        return [Ticket(one.slot, str(one.key), None) for one in wanted]

    def child_outputs(self, job_id: str) -> list[dict[str, Any]]:
        raise NotImplementedError

    def undo_with(self, data: dict[str, Any]) -> None:
        self.undo_params.update(data)

    def slot_data(self, slot: str) -> dict[str, Any]:
        return {"slot": slot}

    def reset_slot(self, slot: str) -> None:
        self.reset.append(slot)


def add_totals(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """A merge strategy of a user's own."""
    return {"total": old.get("total", 0) + new.get("amount", 0)}


def returns_a_list(old: dict[str, Any], new: dict[str, Any]) -> Any:
    """A merge strategy that breaks its contract."""
    return [old, new]


class Fetch(Routine):
    """Two outputs, entered by its only slot."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", self.fetch)
        self.define_event("output", ["id", "amount"])
        self.define_event("missing")

    def fetch(self, day: str) -> None:
        self.emit("output", id=day, amount=1)


class Charge(Routine):
    """One slot of every merge strategy."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", self.charge, secret=["card"])
        self.define_slot("all", self.collect, "append")
        self.define_slot("total", self.collect, add_totals)
        self.define_event("charged", ["order_id"])

    def charge(self, order_id: str, amount: int = 0) -> None:
        self.emit("charged", order_id=order_id, amount=amount)

    def collect(self, data: dict[str, Any]) -> None:
        """Take what has merged."""


class Called(Routine):
    """Entered by its own ``__call__``."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", self.receive)
        self.define_event("output")

    def __call__(self, day: str, limit: int = 10) -> None:
        self.emit("output", day=day, limit=limit)

    def receive(self, **params: Any) -> None:
        """Take anything."""


class NeedsArgument(Routine):
    """Cannot be built as a worker builds."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url


class Attributes(Routine):
    """Attributes of every kind, the same in each instance."""

    def __init__(self, extra: bool = False) -> None:
        super().__init__()
        self.rate = 0.2
        self.strict = True
        self.tags = ["a"]
        self.client: Any = None
        self.lock = threading.Lock()
        self._private = 1
        if extra:
            self.bonus = 1


def orders() -> FlowGraph:
    flow = FlowGraph("orders", max_in_flight=50)
    flow.add_routine(Fetch(), "fetch")
    flow.add_routine(Charge(), "charge", queue="billing")
    flow.connect("fetch", "output", "charge", "input", {"id": "order_id"})
    flow.connect("charge", "charged", "charge", "all")
    flow.set_error_handler(ErrorHandler("retry"))
    return flow
