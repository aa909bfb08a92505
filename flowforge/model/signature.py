"""Which of a delivery's params a handler receives."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any, TypeAlias

from flowforge.errors import ArgumentError
from flowforge.model.names import listing

Arguments: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]

_VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
_NOTHING: dict[str, Any] = {}


class Signature:
    """What one handler accepts, worked out once: ``arguments`` runs for every step.

    ``**kwargs`` receives everything. A sole parameter receives its match, else all params as a
    dict (its default instead, when it has one and nothing at all was sent). Otherwise named
    parameters receive what matches, and extras are dropped. ``*args`` is ignored.
    """

    __slots__ = ("_defaults", "_names", "_positional", "_required", "_reserved", "_sole", "_var")

    def __init__(self, parameters: list[Parameter], reserved: str | None = None) -> None:
        named = [p for p in parameters if p.kind not in _VARIADIC]
        self._var = any(p.kind is Parameter.VAR_KEYWORD for p in parameters)
        self._names = {p.name: None for p in named}.keys()
        self._required = frozenset(p.name for p in named if p.default is Parameter.empty)
        self._positional = tuple(p.name for p in named if p.kind is Parameter.POSITIONAL_ONLY)
        self._defaults = {p.name: p.default for p in named if p.default is not Parameter.empty}
        self._sole = named[0].name if len(named) == 1 and not self._var else None
        # The first argument of a method (``self``): a param of that name cannot be passed.
        self._reserved = reserved if self._var else None

    @classmethod
    def of(cls, function: Callable[..., object], skip_self: bool = True) -> Signature:
        """Inspect a function; ``skip_self`` when its first parameter will be bound by Python."""
        parameters = list(inspect.signature(function).parameters.values())
        reserved = None
        if skip_self and parameters and parameters[0].kind is not Parameter.VAR_POSITIONAL:
            first = parameters.pop(0)
            reserved = first.name if first.kind is Parameter.POSITIONAL_OR_KEYWORD else None
        return cls(parameters, reserved)

    @property
    def sole(self) -> str | None:
        """The name of the only parameter; None when there are none or several."""
        return self._sole

    def arguments(self, params: dict[str, Any], where: Callable[[], str]) -> Arguments:
        """Return (args, kwargs) to call with; ``params`` itself serves as kwargs where it fits.

        Raises ArgumentError that lists what is missing; ``where`` is asked only then.
        """
        if self._sole is not None:
            return self._sole_argument(self._sole, params)
        if not self._positional:
            if params.keys() == self._names:
                return (), params
            if self._var and params.keys() >= self._required and self._reserved not in params:
                return (), params
        return self._selected(params, where)

    def _sole_argument(self, name: str, params: dict[str, Any]) -> Arguments:
        if name in params:
            value = params[name]
        elif params or name in self._required:
            value = params
        else:
            return (), _NOTHING
        return ((value,), _NOTHING) if self._positional else ((), {name: value})

    def _selected(self, params: dict[str, Any], where: Callable[[], str]) -> Arguments:
        if not params.keys() >= self._required:
            raise ArgumentError(self._missing(params, where))
        if self._reserved is not None and self._reserved in params:
            raise ArgumentError(
                f"{where()} cannot receive a param named {self._reserved!r}, the name of its own "
                "first argument: rename the param with param_mapping"
            )
        if self._var:
            kwargs = dict(params)
        else:
            kwargs = {name: params[name] for name in self._names if name in params}
        return (self._take_positional(kwargs), kwargs) if self._positional else ((), kwargs)

    def _take_positional(self, kwargs: dict[str, Any]) -> tuple[Any, ...]:
        # Defaults must be spelled out up to the last one sent; the rest is left to Python.
        sent = [i for i, name in enumerate(self._positional) if name in kwargs]
        names = self._positional[: sent[-1] + 1] if sent else ()
        return tuple(kwargs.pop(name) if name in kwargs else self._defaults[name] for name in names)

    def _missing(self, params: dict[str, Any], where: Callable[[], str]) -> str:
        absent = self._required - params.keys()
        missing = listing(name for name in self._names if name in absent)
        return f"{where()} was called without {missing}; params received: {listing(params)}"
