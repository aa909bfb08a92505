"""Flows that expect answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flowforge import ErrorHandler, ErrorStrategy, Expect, Flow, Join, Routine


@dataclass
class Decision:
    """Whether it is paid."""

    approved: bool
    pin: str = ""


class Approve(Routine):
    """Asks as its params say: for an approval, with these arguments of ``expect``."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("trigger", handler=self.ask)
        self.define_slot("decision", handler=self.decided, secret=["pin"])
        self.define_event("decided", ["approved"])
        self.define_event("asked", ["url"])

    def ask(self, keys: list[str], form: bool | dict[str, Any] = False, **options: Any) -> None:
        schema = Decision if form is True else form or None
        for key in keys:
            ticket = self.expect("decision", key=key, form=schema, **options)
            if ticket.url is not None:
                self.emit("asked", url=ticket.url)

    def decided(self, approved: bool, pin: str = "") -> None:
        if pin == "wrong":
            raise ValueError(f"{pin} is wrong")
        self.emit("decided", approved=approved)


class First(Routine):
    """Expects one of two answers."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("trigger", handler=self.ask)
        self.define_slot("yes", handler=self.on_yes)
        self.define_slot("no", handler=self.on_no)
        self.define_event("yes")
        self.define_event("no")

    def ask(self, within: float | None = None) -> None:
        otherwise = None if within is None else ("no", {"why": "late"})
        self.expect_any(["yes", Expect("no", assign=["ops"])], within, otherwise)

    def on_yes(self, **params: Any) -> None:
        self.emit("yes", **params)

    def on_no(self, **params: Any) -> None:
        self.emit("no", **params)


class Count(Routine):
    """How many decisions there were, when there can be no more."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("all", handler=self.count, join=Join.all())
        self.define_event("count")

    def count(self, items: list[dict[str, Any]]) -> None:
        self.emit("count", approved=sum(item["approved"] for item in items), all=len(items))


approvals = Flow("approvals")
approvals.add_routine(Approve, "approve")

counted = Flow("counted")
counted.add_routine(Approve, "approve")
counted.add_routine(Count, "count")
counted.connect("approve", "decided", "count", "all")

first_of = Flow("first-of")
first_of.add_routine(First, "first")

patient = Flow("patient")
patient.add_routine(Approve, "approve")
patient.set_error_handler(ErrorHandler(ErrorStrategy.RETRY, max_retries=2, retry_delay=0.01))
