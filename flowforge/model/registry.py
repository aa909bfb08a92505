"""The routine classes that this process has imported, by name.

A worker rebuilds routines only from here: a name in Redis is looked up, never imported.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

from flowforge.errors import UnknownRoutineClassError
from flowforge.model.locate import real_module

#: A subclass of ``Routine``, which stands on this module.
RoutineClass: TypeAlias = type[Any]
Listener: TypeAlias = Callable[[RoutineClass], None]

_lock = threading.Lock()
_classes: dict[str, RoutineClass] = {}
_listeners: list[Listener] = []


def class_name(cls: type) -> str:
    """Return the name of a routine class that is the same in every process: module.qualname."""
    return f"{real_module(cls.__module__)}.{cls.__qualname__}"


def register(cls: RoutineClass) -> None:
    """Make a class known. The latest of a name wins, so that a notebook cell can run again."""
    with _lock:
        _classes[class_name(cls)] = cls
        listeners = tuple(_listeners)
    for listener in listeners:
        listener(cls)


def on_register(callback: Listener, *, later_only: bool = False) -> Callable[[], None]:
    """Call back once for each known class, and for each later one; return what ends that.

    ``later_only``: for each later one alone.
    """
    with _lock:
        _listeners.append(callback)
        known_classes = () if later_only else tuple(_classes.values())
    for cls in known_classes:
        callback(cls)

    def unsubscribe() -> None:
        with _lock:
            if callback in _listeners:
                _listeners.remove(callback)

    return unsubscribe


def known() -> dict[str, RoutineClass]:
    """Return a copy of all registered classes by name."""
    with _lock:
        return dict(_classes)


def is_latest(name: str, cls: type) -> bool:
    """Whether a class is the one that its name stands for now."""
    return _classes.get(name) is cls


def lookup(name: str) -> RoutineClass:
    """Return the class of this name; UnknownRoutineClassError says what to import."""
    cls = _classes.get(name)
    if cls is None:
        raise UnknownRoutineClassError(
            f"this process has not imported the routine class {name!r}: {remedy(name)}"
        )
    return cls


def remedy(
    name: str, workers: str = "the workers", imported: Callable[[str], bool] | None = None
) -> str:
    """What to do about a class or function (module.qualname) that a worker does not know.

    ``workers``: those that need it. ``imported``: whether they have imported a module; without it
    this process is one of them.
    """
    module, inside, _ = name.partition(".<locals>")
    module = module.rpartition(".")[0]
    if module in ("", "__main__"):
        return (
            "it was defined interactively, on standard input or in a notebook, where no other "
            "process finds it: move it to a module that workers import"
        )
    if module == "builtins":
        return (
            "it was defined by code that ran without a module's name: give the globals of exec() "
            "a __name__, of a module that workers import"
        )
    if inside:
        return (
            "it was defined inside a function, so only a process that has called this function "
            f"has it: define it at the top level of {module}"
        )
    # A qualname may hold dots, so the module is the longest imported prefix, else the likely one.
    imported = imported or _is_imported
    prefix = module
    while prefix:
        if imported(prefix):
            return (
                f"module {prefix!r} is imported there but does not define it: it was renamed or "
                "removed since the job was submitted, or stands in a function or below a "
                f"condition. Run a version of {prefix} that has it, or cancel the job"
            )
        prefix = prefix.rpartition(".")[0]
    return f"add {module} to FLOWFORGE_IMPORTS of {workers}"


def _is_imported(module: str) -> bool:
    return module in sys.modules and "__path__" not in vars(sys.modules[module])
