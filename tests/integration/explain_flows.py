"""Flows whose jobs wait for something, for what explains them."""

from __future__ import annotations

import os
import time
from pathlib import Path

from flowforge import ErrorHandler, Flow, Join, Routine, routine


class Held(Routine):
    """Waits for a file to appear; it writes its process beside it first."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", self.hold, secret=["card"])
        self.define_event("item", ["n"])

    def hold(self, path: str, card: str = "") -> None:
        Path(f"{path}.held").write_text(str(os.getpid()))
        while not Path(path).exists():
            time.sleep(0.01)
        self.emit("item", n=1)


@routine
def charge(amount: int) -> None:
    """Fail, so that the attempt is made again much later."""
    raise ValueError(f"{amount} is more than the card allows")


@routine(events=["path", "item"])
def spread(self: Routine, path: str) -> None:
    """Give the join one item at once, and another by way of a handler that waits."""
    self.emit("item", n=1)
    self.emit("path", path=path)


class Starter(Routine):
    """Starts a job that no worker serves, and waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", self.go)
        self.define_event("done")

    def go(self) -> None:
        self.start(gpu, "charge", {"amount": 1}, event="done")


class Collect(Routine):
    """Gets all items."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("items", self.collect, join=Join.all(timeout=600))

    def collect(self, items: list[dict[str, int]]) -> None:
        """Nothing is done with them."""


held = Flow("held")
held.add_routine(Held(), "step")

retried = Flow("retried")
retried.add_routine(charge, "charge")
retried.set_error_handler(ErrorHandler("retry", max_retries=3, retry_delay=600))

failing = Flow("failing")
failing.add_routine(charge, "charge")

gpu = Flow("gpu")
gpu.add_routine(charge, "charge", queue="gpu")

starting = Flow("starting")
starting.add_routine(Starter(), "start")

joining = Flow("joining")
joining.add_routine(spread, "spread")
joining.add_routine(Held(), "held")
joining.add_routine(Collect(), "all")
joining.connect("spread", "path", "held", "input")
joining.connect("spread", "item", "all", "items")
joining.connect("held", "item", "all", "items")
