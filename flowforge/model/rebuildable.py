"""Whether another process can rebuild a routine from its class and its record.

What cannot be rebuilt would silently differ on a worker, so it is refused when it is added.
"""

from __future__ import annotations

from typing import NoReturn

from flowforge.common.bounded_repr import shown
from flowforge.errors import NotRebuildableError
from flowforge.model import registry
from flowforge.model.event import Event
from flowforge.model.handlers.handlers import check_synchronous
from flowforge.model.names import check_name
from flowforge.model.offered import check_offered
from flowforge.model.routine import Routine, fresh, overrides_call
from flowforge.model.slot import Slot

_SCALARS = (type(None), bool, int, float, str, bytes)
_MISSING = object()

#: Attributes that the record carries, or that no definition needs.
_CARRIED = frozenset(vars(Routine())) | {"queue"}


def check_rebuildable(routine: Routine, built: Routine | None = None) -> Routine:
    """Compare with a freshly built instance and return that one.

    NotRebuildableError names what differs and says what to do about it.
    ``built`` is an earlier return value, for checking again without building again.
    """
    _check_class(type(routine))
    _check_own_state(routine)
    if routine.queue is not None:
        check_name(f"queue of {type(routine).__qualname__}", routine.queue)
    built = fresh(type(routine)) if built is None else built
    _check_attributes(routine, built)
    check_offered(type(routine), Routine, built.slots.values(), routine.slots.values())
    routine.serialize()
    return built


def _check_class(cls: type[Routine]) -> None:
    name = registry.class_name(cls)
    if cls is Routine:
        raise NotRebuildableError("Routine itself has no handlers: add an instance of a subclass")
    if cls.__module__ == "builtins":
        raise NotRebuildableError(f"{cls.__qualname__}: {registry.remedy(name)}")
    if registry.known().get(name) is not cls:
        raise NotRebuildableError(
            f"a later class took the name {name}: workers would build that one. Make the instance "
            "from the current class, or rename one of the two"
        )
    if overrides_call(cls):
        check_synchronous(cls.__call__, f"{cls.__qualname__}.__call__")
    check_synchronous(cls.setup, f"{cls.__qualname__}.setup")
    for base in cls.__mro__:
        if base is not object and base.__dict__.get("__slots__"):
            raise NotRebuildableError(
                f"{base.__qualname__} has __slots__, which copies for attempts would lack: "
                "remove __slots__"
            )


def _check_own_state(routine: Routine) -> None:
    """Catch a subclass that uses one of Routine's private attributes for its own purpose."""
    for attribute, kind in (("_slots", Slot), ("_events", Event)):
        held = vars(routine)[attribute]
        if not isinstance(held, dict) or not all(isinstance(v, kind) for v in held.values()):
            raise NotRebuildableError(
                f"{type(routine).__qualname__} overwrites {attribute!r}, which Routine needs: "
                "rename the attribute"
            )


def _check_attributes(routine: Routine, built: Routine) -> None:
    theirs = vars(built)
    for name, value in vars(routine).items():
        if name in _CARRIED:
            continue
        other = theirs.get(name, _MISSING)
        if _is_plain(value):
            if not _is_plain(other) or not _same(value, other):
                _refuse_value(routine, name, value, other)
        elif other is _MISSING or _is_plain(other):
            _refuse_object(routine, name, value)


def _refuse_value(routine: Routine, name: str, value: object, other: object) -> NoReturn:
    elsewhere = "does not have it" if other is _MISSING else f"has {shown(other)}"
    raise NotRebuildableError(
        f"attribute {name!r} of {type(routine).__qualname__} is {shown(value)}, but an instance "
        f"built in another process {elsewhere}: use set_config({name}=...) and "
        f"self.get_config({name!r})"
    )


def _refuse_object(routine: Routine, name: str, value: object) -> NoReturn:
    raise NotRebuildableError(
        f"attribute {name!r} of {type(routine).__qualname__} is a {type(value).__qualname__} that "
        "an instance built in another process does not have: open it in setup()"
    )


def _is_plain(value: object) -> bool:
    """Whether equality of this value is cheap, certain and enough."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(_is_plain(key) and _is_plain(item) for key, item in value.items())
    return isinstance(value, _SCALARS)


def _same(value: object, other: object) -> bool:
    # The type counts: 1 and True and 1.0 are equal, yet behave differently.
    return value is other or (type(value) is type(other) and value == other)
