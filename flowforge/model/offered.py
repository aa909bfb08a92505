"""What a definition may make of a routine class: what the class declares, and little more.

A definition lies on the server, where a producer may write one that no code has made. Among all
that a worker has imported it may choose what a class declares in its ``__init__``; and, for slots
that are added to an instance later, public methods of the class's own and public functions of
modules that define routines.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable

from flowforge.errors import NotRebuildableError
from flowforge.model import registry
from flowforge.model.locate import address_of, real_module
from flowforge.model.slot import MergeFunction, Slot


def check_offered(cls: type, base: type, declared: Iterable[Slot], wanted: Iterable[Slot]) -> None:
    """Raise NotRebuildableError for a slot whose handler or merge function is out of reach.

    ``declared``: the slots of a new instance. ``base``: the class whose methods are no handlers.
    """
    known = list(declared)
    handlers = {slot.handler_name for slot in known}
    undoes = {slot.undo_name for slot in known}
    merges = [slot.merge_strategy for slot in known]
    for slot in wanted:
        if slot.handler_name not in handlers:
            _check_own_method(cls, base, slot, slot.handler_name, "handler")
        if slot.undo_name is not None and slot.undo_name not in undoes:
            _check_own_method(cls, base, slot, slot.undo_name, "undo")
        strategy = slot.merge_strategy
        if callable(strategy) and strategy not in merges and not _is_of_routines(strategy):
            raise NotRebuildableError(
                f"merge strategy {address_of(strategy)} of slot {slot.name!r} is not offered: "
                f"define the slot in __init__ of {cls.__qualname__}, or move the function to the "
                "top level of a module that defines routines, under a public name"
            )


def _check_own_method(cls: type, base: type, slot: Slot, name: str, kind: str) -> None:
    own = not name.startswith("_") and not hasattr(base, name)
    if not own or not inspect.isfunction(inspect.getattr_static(cls, name, None)):
        raise NotRebuildableError(
            f"{cls.__module__}.{cls.__qualname__} does not offer {name!r} as {kind} of slot "
            f"{slot.name!r}: define the slot in __init__, or take a public method of the class"
        )


def _is_of_routines(function: MergeFunction) -> bool:
    """Whether it is a public function at the top level of a module that defines routines."""
    name, module = function.__qualname__, real_module(function.__module__)
    if name.startswith("_") or "." in name:
        return False
    return module in {real_module(cls.__module__) for cls in registry.known().values()}
