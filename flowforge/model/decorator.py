"""``@routine``: a function becomes a routine with one slot, ``input``.

A function whose first parameter is ``self`` is an ordinary handler: it receives the bound routine,
emits what it wants and returns nothing. Any other function is called with the params alone; a dict
that it returns is emitted on its only event (``output``, unless it declares another), and None
emits nothing.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter
from typing import Any, TypeAlias, overload

from flowforge.common.bounded_repr import shown
from flowforge.errors import DefinitionError
from flowforge.model import registry
from flowforge.model.event import Event
from flowforge.model.handlers.handlers import check_synchronous
from flowforge.model.limit import LimitArgument
from flowforge.model.names import check_name, listing
from flowforge.model.routine import Routine
from flowforge.model.slot import MergeStrategy, Slot
from flowforge.model.times.start import Delay

Function: TypeAlias = Callable[..., Any]
Events: TypeAlias = Iterable[str] | Mapping[str, Iterable[str] | None]

#: The slot of every routine that is made from a function.
INPUT = "input"
#: The event of a function that declares none.
OUTPUT = "output"


@overload
def routine(function: Function, /) -> type[Routine]: ...


@overload
def routine(
    *,
    events: Events | None = None,
    queue: str | None = None,
    name: str | None = None,
    merge_strategy: MergeStrategy = "override",
    secret: Iterable[str] = (),
    timeout: Delay | None = None,
    limit: LimitArgument | None = None,
    undo: Function | None = None,
) -> Callable[[Function], type[Routine]]: ...


def routine(
    function: Function | None = None,
    /,
    *,
    events: Events | None = None,
    queue: str | None = None,
    name: str | None = None,
    merge_strategy: MergeStrategy = "override",
    secret: Iterable[str] = (),
    timeout: Delay | None = None,
    limit: LimitArgument | None = None,
    undo: Function | None = None,
) -> type[Routine] | Callable[[Function], type[Routine]]:
    """Make a Routine subclass of a function; add the class or an instance of it to a flow.

    ``events`` is a list of names, or a dict of name to output params. ``name`` takes the place of
    the function's own in the registered name (module.name). Called with arguments the class calls
    the function, which is also its ``function``; called without any it makes a routine.
    ``merge_strategy``, ``secret``, ``timeout`` and ``limit`` as for ``define_slot``. ``undo`` too,
    but it is a function like the decorated one, with or without ``self``; what it returns is
    ignored. ValueError for what cannot run.
    """
    declared = _events(events)
    if queue is not None:
        check_name("queue of @routine", queue)
    if name is not None:
        check_name("name of @routine", name)
    if undo is not None:
        _check_undo(undo)

    def decorate(function: Function) -> type[Routine]:
        _check_function(function)
        slot = Slot.of(INPUT, "handle", merge_strategy, secret, timeout=timeout, limit=limit)
        qualname = name or function.__qualname__
        return _make(function, qualname, queue, declared, slot, timeout, undo)

    return decorate if function is None else decorate(function)


def _events(events: Events | None) -> tuple[Event, ...]:
    if events is None:
        return (Event(OUTPUT),)
    if isinstance(events, str):
        raise DefinitionError(f"events must be a list of names: write [{events!r}], not {events!r}")
    if isinstance(events, Mapping):
        return tuple(Event.of(name, params) for name, params in events.items())
    if not isinstance(events, Iterable):
        raise DefinitionError(f"events must be a list of names, not {shown(events)}")
    declared = tuple(Event.of(name) for name in events)
    names = [event.name for event in declared]
    for name in names:
        if names.count(name) > 1:
            raise DefinitionError(f"events of @routine name {name!r} twice: name each once")
    return declared


def _check_function(function: object) -> None:
    if not inspect.isfunction(function):
        raise DefinitionError(f"@routine makes a routine of a function, not of {shown(function)}")
    check_synchronous(function, f"@routine function {function.__qualname__!r}")
    module: object = function.__module__
    if module is None:
        fix = registry.remedy(f"builtins.{function.__qualname__}")
        raise DefinitionError(f"@routine function {function.__qualname__!r}: {fix}")


def _check_undo(undo: object) -> None:
    if not inspect.isfunction(undo):
        raise DefinitionError(f"undo of @routine must be a function, not {shown(undo)}")
    check_synchronous(undo, f"undo of @routine, {undo.__qualname__!r},")


def _make(
    function: Function, qualname: str, queue: str | None, events: tuple[Event, ...], slot: Slot,
    timeout: Delay | None, undo: Function | None,
) -> type[Routine]:  # fmt: skip
    def initialise(self: Routine) -> None:
        super(cls, self).__init__()
        self.define_slot(
            INPUT,
            self.handle,  # type: ignore[attr-defined]
            slot.merge_strategy,
            secret=slot.secret,
            timeout=timeout,
            limit=slot.limits or None,
            undo=self.undo if undo else None,  # type: ignore[attr-defined]
        )
        for event in events:
            self.define_event(event.name, event.output_params)

    def make(kind: type[Routine], /, *args: Any, **kwargs: Any) -> Any:
        # A call with arguments is one of the function, as it was before it was decorated.
        if (args or kwargs) and kind is cls:
            return _called(function, args, kwargs)
        return Routine.__new__(kind)

    namespace = {
        "__module__": function.__module__,
        "__qualname__": qualname,
        "__doc__": function.__doc__,
        "__new__": make,
        "__init__": initialise,
        "function": staticmethod(function),
        "handle": _handler(function, events),
        "queue": queue,
        **({} if undo is None else {"undo": _handler(undo, None, "undo")}),
    }
    cls: type[Routine] = type(qualname.rpartition(".")[2], (Routine,), namespace)
    return cls


def _called(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if _takes_self(function):
        raise DefinitionError(
            f"{function.__qualname__} takes self, the routine of a running job: to try it, call "
            f"{function.__qualname__}.function(routine, ...) with one of your own"
        )
    return function(*args, **kwargs)


def _takes_self(function: Function) -> bool:
    return next(iter(inspect.signature(function).parameters), None) == "self"


def _handler(
    function: Function, events: tuple[Event, ...] | None, name: str = "handle"
) -> Function:
    """Return the method that receives deliveries, with the signature that binding must see.

    ``events``: what may be returned goes to the only one; None: nothing that is returned counts.
    """
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    if _takes_self(function):

        @functools.wraps(function)
        def handle(self: Routine, /, *args: Any, **kwargs: Any) -> Any:
            return function(self, *args, **kwargs)
    else:
        # Positional-only, so that a param may have any name.
        bound = Parameter("_routine", Parameter.POSITIONAL_ONLY)
        signature = signature.replace(parameters=[bound, *parameters])

        @functools.wraps(function)
        def handle(self: Routine, /, *args: Any, **kwargs: Any) -> None:
            result = function(*args, **kwargs)
            if result is not None and events is not None:
                _emit(self, events, result)

    handle.__name__ = handle.__qualname__ = name
    handle.__signature__ = signature  # type: ignore[attr-defined]
    return handle


def _emit(routine: Routine, events: tuple[Event, ...], result: object) -> None:
    where = type(routine).__qualname__
    if not isinstance(result, dict) or not all(isinstance(key, str) for key in result):
        raise DefinitionError(
            f"{where} returned {shown(result)}: return a dict of params to emit, or None"
        )
    if len(events) != 1:
        raise DefinitionError(
            f"{where} returned a dict, but declares {len(events)} events "
            f"({listing(event.name for event in events)}): take 'self' as the first parameter and "
            "call self.emit(event, ...)"
        )
    routine.emit(events[0].name, **result)
