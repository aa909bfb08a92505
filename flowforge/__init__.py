"""FlowForge: event-driven workflows on the Celery fleet you already have.

The names are loaded with the first of them that is used, as Celery's are, so that a program which
only mentions the package starts fast.
"""

from __future__ import annotations

import importlib

# What type checkers take for true, without the time that importing ``typing`` takes.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from flowforge.public import (
        Connection,
        ErrorHandler,
        ErrorStrategy,
        Event,
        Flow,
        FlowForgeError,
        JobState,
        Join,
        Output,
        Routine,
        Slot,
        configure,
        install,
        routine,
        shutdown,
    )

# Sorted by what a reader does with them.
__all__ = [  # noqa: RUF022
    # define
    "Connection",
    "ErrorHandler",
    "ErrorStrategy",
    "Event",
    "Flow",
    "Join",
    "Routine",
    "Slot",
    "routine",
    # watch
    "JobState",
    "Output",
    # set up
    "configure",
    "install",
    "shutdown",
    # fail
    "FlowForgeError",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    public = importlib.import_module("flowforge.public")
    globals().update({each: getattr(public, each) for each in __all__})
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
