"""Flows whose attempts end in every way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flowforge import ErrorHandler, Flow, routine
from tests.integration.flows import wait_for


@routine(events=["number"])
def spread(self: Any, numbers: list[int]) -> None:
    for number in numbers:
        self.emit("number", number=number)


@routine
def check(number: int) -> None:
    if number < 0:
        raise ValueError(f"{number} is below zero")


@routine
def flaky(path: str) -> None:
    """Fails once."""
    if not Path(path).exists():
        Path(path).touch()
        raise ConnectionError("away")


@routine
def held(gate: str) -> None:
    Path(f"{gate}.held").touch()
    wait_for(gate)


checks = Flow("checks")
checks.add_routine(spread, "spread")
checks.add_routine(check, "check")
checks.connect("spread", "number", "check", "input")
checks.routines["check"].set_error_handler(ErrorHandler("continue"))

strict = Flow("strict")
strict.add_routine(check, "check")

again = Flow("again")
again.add_routine(flaky, "flaky")
again.set_error_handler(ErrorHandler("retry", max_retries=3, retry_delay=0.2))

holding = Flow("holding")
holding.add_routine(held, "held")
