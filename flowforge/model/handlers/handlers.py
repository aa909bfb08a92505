"""Handlers are methods: a definition names them, and any process finds them on the class."""

from __future__ import annotations

import inspect

from flowforge.common.bounded_repr import shown
from flowforge.errors import DefinitionError, NotRebuildableError


def handler_name(routine: object, slot: str, handler: object, kind: str = "handler") -> str:
    """Return the name under which the class has this handler; ValueError if it has not.

    ``kind``: the argument that it was given as.
    """
    where = f"{kind} of slot {shown(slot)} of {type(routine).__qualname__}"
    name = getattr(handler, "__name__", None)
    function = getattr(handler, "__func__", None)
    if function is None or getattr(handler, "__self__", None) is not routine:
        raise NotRebuildableError(
            f"{where} is {shown(handler)}, which another process cannot find: make it a method of "
            f"the class and pass it bound ({kind}=self.method)"
        )
    if not isinstance(name, str) or getattr(type(routine), name, None) is not function:
        raise NotRebuildableError(
            f"{where} is not what {type(routine).__qualname__}.{name} is: use functools.wraps in "
            "its decorators, no leading double underscore, and no method of a parent class that "
            "this class overrides"
        )
    check_synchronous(function, where)
    return name


def check_synchronous(function: object, where: str) -> None:
    """Refuse what would not run when called: coroutine and generator functions."""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError(
            f"{where} is async, which is not supported: make it an ordinary function and call "
            "asyncio.run inside"
        )
    if inspect.isgeneratorfunction(function):
        raise DefinitionError(
            f"{where} is a generator; emit each item (self.emit) in place of yielding it"
        )


def check_handler_exists(cls: type, slot: str, name: str, kind: str = "handler") -> None:
    """Raise DefinitionError when a stored definition names a method that the class lacks."""
    if not callable(getattr(cls, name, None)):
        raise DefinitionError(
            f"{cls.__module__}.{cls.__qualname__} has no method {name!r}, which the definition "
            f"names as {kind} of slot {shown(slot)}: it was stored by another version of the class"
        )
