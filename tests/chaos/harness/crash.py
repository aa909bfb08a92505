"""Ends a worker's process at a chosen point of an invocation's way.

A worker imports this module beside the flows. It wraps the product's own functions, so that the
product carries no hook. Each crash takes one ticket, which says where, from a directory that all
processes share.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flowforge.execution.run import run
from flowforge.store.transitions.invocations import Invocations
from flowforge.worker.run import runtime

MODULE = __name__

#: Where a process can end: around claim and commit as the server sees them, and the handler.
POINTS = (
    "before-claim", "after-claim", "before-handler", "after-handler", "before-commit",
    "after-commit",
)  # fmt: skip

_TICKETS, _CHANCE = "FLOWFORGE_CHAOS_CRASH_TICKETS", "FLOWFORGE_CHAOS_CRASH_CHANCE"

#: Status of a process that ended here, to tell it from other ends.
EXIT_STATUS = 86


def environment(tickets: Path, each: int, chance: float) -> Mapping[str, str]:
    """Crash `each` times at every point, a pass with this chance. Writes the tickets."""
    tickets.mkdir()
    for point in POINTS:
        for k in range(each):
            (tickets / f"{point}.{k}").touch()
    return {_TICKETS: str(tickets), _CHANCE: str(chance)}


def tickets_left(tickets: Path) -> list[str]:
    """Crashes that have not happened yet."""
    return sorted(path.name for path in tickets.iterdir())


def crash_at(point: str) -> None:
    """End the process here if chance has it and a ticket for this point is left."""
    if random.random() >= float(os.environ[_CHANCE]):
        return
    for ticket in Path(os.environ[_TICKETS]).glob(f"{point}.*"):
        try:
            ticket.unlink()
        except FileNotFoundError:
            continue  # another process was faster
        os._exit(EXIT_STATUS)


def _around(before: str, after: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **options: Any) -> Any:
        crash_at(before)
        result = function(*arguments, **options)
        crash_at(after)
        return result

    return wrapped


if _TICKETS in os.environ:
    for step in ("claim", "commit"):
        around = _around(f"before-{step}", f"after-{step}", getattr(Invocations, step))
        setattr(Invocations, step, around)
    around = _around("before-handler", "after-handler", run)
    setattr(runtime, run.__name__, around)
