"""The own task of an app that FlowForge is installed in."""

from __future__ import annotations

#: Its name, and what it writes to the log.
TASK = "shared.add"
DONE = "the shared app's own task has run"


def add(*numbers: object) -> None:
    """Tell that it has run."""
    print(DONE, numbers, flush=True)
