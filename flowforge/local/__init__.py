"""The engine of a process that was given no server: a private server and a worker inside it.

The engine is loaded when it is first used, and the worker with it: most producers need neither.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flowforge.local.engine import EmbeddedEngine

__all__ = ["EmbeddedEngine"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("flowforge.local.engine"), name)
