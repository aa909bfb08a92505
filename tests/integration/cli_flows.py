"""Flows that the tests of the command line run, here and on workers."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from flowforge import Flow, Routine, routine


@routine(events={"out": ["n"]})
def start(n: int = 0) -> dict[str, int]:
    """Emit the next number."""
    return {"n": n + 1}


@routine(events={"done": ["n"]})
def finish(n: int) -> dict[str, int]:
    """Emit ten times the number, which nobody takes: an output."""
    return {"n": n * 10}


class Gate(Routine):
    """Waits for a file to appear, so that a test decides when the handler ends."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.hold)
        self.define_event("open", ["path"])

    def hold(self, path: str) -> None:
        Path(f"{path}.held").touch()
        while not Path(path).exists() and not self.cancelled:
            time.sleep(0.01)
        self.increment_stat("opened")
        self.emit("open", path=path)


@routine
def broken(secret: str = "") -> None:
    """Fail with a text that a terminal could obey."""
    raise ValueError("no \x1b[31mgood [red]")


@routine
def picky(how: str) -> None:
    """Fail for one of two causes, or for one that its error handler passes over."""
    if how == "value":
        raise ValueError("no such card")
    raise KeyError(how)


@routine(events=["value"])
def every_type() -> dict[str, object]:
    """Emit a value of each type that a payload may hold."""
    deep: list[object] = []
    for _ in range(300):
        deep = [deep]
    return {
        "none": None,
        "flag": True,
        "large": 10**5000,
        "half": 0.5,
        "nan": float("nan"),
        "text": "naïve \x1b[0m \ud7ff",
        "bytes": b"\x00\xff",
        "tuple": (1, (2, 3)),
        "set": {3, 1, 2},
        "moment": datetime(2013, 1, 1, 12, 30, tzinfo=UTC),
        "day": date(2013, 1, 1),
        "amount": Decimal("1.50"),
        "id": UUID(int=7),
        "keys": {1: "one", None: "none", (1, 2): "pair"},
        "clash": {1: "int", "1": "text"},
        "deep": deep,
    }


numbers = Flow("numbers")
numbers.add_routine(start, "start")
numbers.add_routine(finish, "finish")
numbers.connect("start", "out", "finish", "input")

gate = Flow("gate")
gate.add_routine(Gate, "gate")

failing = Flow("failing")
failing.add_routine(broken, "broken")

choosy = Flow("choosy")
choosy.add_routine(picky, "picky")

types = Flow("types")
types.add_routine(every_type, "every_type")

not_a_flow = {"flow": "gate"}
