"""Routines whose errors, merges and construction do what they should not."""

from __future__ import annotations

import sys
from typing import Any

from flowforge import ErrorHandler, Flow, Routine
from flowforge.errors import NewerRecordError
from tests.unit.execution.strange_errors import STRANGE


class Raising(Routine):
    """Raises one of the exceptions that are hard to write down."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.fail, secret=["token"])

    def fail(self, name: str, token: Any = None) -> None:
        raise STRANGE[name]()


class Sending(Routine):
    """Sends something on."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.send)
        self.define_event("sent")

    def send(self) -> None:
        self.emit("sent", n=1)


def leave(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """A merge function that ends the process."""
    sys.exit(3)


class Merging(Routine):
    """Merges by a function that ends the process."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.take, merge_strategy=leave)

    def take(self, **params: Any) -> None: ...


class SetUp(Routine):
    """Ends the process when it is set up."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.take)

    def setup(self) -> None:
        sys.exit(3)

    def take(self, **params: Any) -> None: ...


#: Whether a new instance ends the process: only while a worker makes it.
in_worker = any("celery" in argument for argument in sys.argv)


class Built(Routine):
    """Ends the process when a worker builds it."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.take)
        if in_worker:
            sys.exit(3)

    def take(self, **params: Any) -> None: ...


class Unbuilt(Routine):
    """Claims when a worker builds it that a record cannot be read."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.take)

    def get_error_handler(self) -> ErrorHandler | None:
        if in_worker:
            raise NewerRecordError("not a record at all")
        return super().get_error_handler()

    def take(self, **params: Any) -> None: ...


def sent_to(routine: Routine) -> Flow:
    """A sender in front of a routine."""
    flow = Flow(f"hostile-{type(routine).__name__}")
    flow.add_routine(Sending(), "sender")
    flow.add_routine(routine, "it")
    flow.connect("sender", "sent", "it", "input")
    return flow
