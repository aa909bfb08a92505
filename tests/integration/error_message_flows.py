"""Routines whose failures the tests of ``test_error_messages`` read; imported by their workers."""

from __future__ import annotations

from typing import Any

from flowforge import ErrorHandler, Flow, Routine, routine


class Nest(Routine):
    """Starts a job of its own flow ``depth`` times, one in the other; the innermost fails."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.go)
        self.define_event("output")

    def go(self, depth: int) -> None:
        if depth:
            self.start(nest, "it", {"depth": depth - 1}, event="output")
        else:
            raise ValueError("innermost")


nest = Flow("nest")
nest.add_routine(Nest, "it")


@routine
def breaks(text: str) -> None:
    """Fails with what it is told."""
    raise KeyError(text)


def breaking(handler: ErrorHandler | None) -> Flow:
    """A flow that fails as the handler says."""
    flow = Flow("breaking")
    flow.add_routine(breaks, "it")
    flow.set_error_handler(handler)
    return flow


@routine
def left() -> dict[str, Any]:
    """Sends what is needed."""
    return {"amount": 1}


@routine
def right() -> dict[str, Any]:
    """Sends another name."""
    return {"amuont": 1}


@routine
def total(amount: int) -> None:
    """Needs an amount."""


@routine(events=["left", "right"])
def both(self: Routine) -> None:
    """Starts the two."""
    self.emit("left")
    self.emit("right")


misspelt = Flow("misspelt")
for made in (both, left, right, total):
    misspelt.add_routine(made)
misspelt.connect("both", "left", "left", "input")
misspelt.connect("both", "right", "right", "input")
misspelt.connect("left", "output", "total", "input")
misspelt.connect("right", "output", "total", "input")


@routine
def echo(n: int) -> dict[str, int]:
    """Returns what it got."""
    return {"n": n}


inner = Flow("inner")
inner.add_routine(echo, "echo")


@routine
def waits(n: int) -> dict[str, int]:
    """Waits for a job, and so holds a worker."""
    inner.execute("echo", {"n": n}).wait()
    return {"n": n}


waiting = Flow("waiting")
waiting.add_routine(waits, "it")

unserved = Flow("unserved")
unserved.add_routine(echo, "it", queue="nobody")
