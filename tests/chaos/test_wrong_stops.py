"""What the harness says of histories in which a breakpoint did not hold."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from flowforge.model.jobs.job_handle import HistoryEntry
from tests.chaos.harness.breaks import wrong_stops
from tests.chaos.harness.ledger import Line

#: Invocation 7 stops, is let go, starts and completes, at these seconds.
_STOPPED, _LET_GO, _STARTED, _DONE = 1, 2, 3, 4


def entry(kind: str, second: float, invocation: int | None = 7, **details: Any) -> HistoryEntry:
    at = datetime.fromtimestamp(second, UTC)
    return HistoryEntry(f"{second}-0", at, kind, invocation, "node", "input", details)


def start(second: float) -> Line:
    return Line("start", "job", 7, 1, 1, round(second * 1e9), "node")


def completed(second: float = _DONE) -> HistoryEntry:
    return entry("completed", second, params={"i": 9})


@pytest.mark.parametrize("let_go", [("let_go", 7), ("let_go", None), ("break_cleared", None)])
def test_what_holds_is_not_wrong(let_go: tuple[str, int | None]) -> None:
    """By a step, by letting all go, or because the breakpoint was cleared."""
    kind, invocation = let_go
    told = [entry("stopped", _STOPPED), entry(kind, _LET_GO, invocation), completed()]
    assert wrong_stops(told, [start(_STARTED)], kept=True) == []


@pytest.mark.parametrize(
    ("told", "started", "wrong"),
    [
        ([completed()], _STARTED, "7 did not stop"),
        ([entry("stopped", 1), entry("stopped", 2), entry("let_go", 2)], 3, "7 stopped 2 times"),
        ([entry("stopped", 1), entry("let_go", 2)], 1.5, "7 started before it was let go"),
        ([entry("stopped", 1)], 3, "7 started before it was let go"),
    ],
)
def test_what_does_not_hold_is_told(told: list[HistoryEntry], started: float, wrong: str) -> None:
    """Each with the invocation."""
    assert wrong_stops(told, [start(started)], kept=True) == [f"invocation {wrong}"]
