"""The engine of this process.

Which one that is when nothing was configured is decided by whoever registers a factory
(``flowforge.composition``), so that neither this module nor the engines need to know the
environment or the embedded server.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from flowforge.engine.engine import Submitter


class _Current:
    """The engine of this process and what makes it."""

    lock = threading.RLock()
    engine: Submitter | None = None
    factory: Callable[[], Submitter] | None = None


def set_engine_factory(factory: Callable[[], Submitter]) -> None:
    """Register what makes the engine on first use."""
    _Current.factory = staticmethod(factory)


def set_engine(engine: Submitter | None) -> Submitter | None:
    """Make an engine the current one (None: make a new one on next use); returns the former."""
    with _Current.lock:
        former, _Current.engine = _Current.engine, engine
    return former


def has_engine() -> bool:
    """Whether there is a current engine already."""
    return _Current.engine is not None


def current_engine() -> Submitter:
    """The engine of this process, made on first use."""
    if _Current.engine is not None:
        return _Current.engine
    with _Current.lock:
        if _Current.engine is None:
            assert _Current.factory is not None, "flowforge.composition registers a factory"
            _Current.engine = _Current.factory()
        return _Current.engine
