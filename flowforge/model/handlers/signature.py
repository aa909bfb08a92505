"""Which of a delivery's params a handler receives."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container
from inspect import Parameter
from typing import Any, NamedTuple, TypeAlias

from flowforge.errors import ArgumentError
from flowforge.model.handlers.annotation import may_be_mapping
from flowforge.model.names import listing

Arguments: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]


class Origin(NamedTuple):
    """Where params arrived and what sent them, for an error's text."""

    #: Routine and slot, as "charge.input".
    place: str
    #: What the params came from, as "fetch.output -> charge.input sent".
    sender: str
    #: What to do about a param that is missing.
    remedy: str


_VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
_NOTHING: dict[str, Any] = {}


class Signature:
    """What one handler accepts, worked out once: ``arguments`` runs for every step.

    ``**kwargs`` receives everything. A sole parameter receives its match, else all params as a
    dict, if it may be one by its annotation and something was sent. Otherwise named parameters
    receive what matches, and extras are dropped. ``*args`` is ignored.
    """

    __slots__ = (
        "_defaults", "_names", "_positional", "_required", "_reserved", "_sole", "_var", "_whole",
    )  # fmt: skip

    def __init__(
        self,
        parameters: list[Parameter],
        reserved: str | None = None,
        function: Callable[..., object] | None = None,
    ) -> None:
        named = [p for p in parameters if p.kind not in _VARIADIC]
        self._var = any(p.kind is Parameter.VAR_KEYWORD for p in parameters)
        self._names = {p.name: None for p in named}.keys()
        self._required = frozenset(p.name for p in named if p.default is Parameter.empty)
        self._positional = tuple(p.name for p in named if p.kind is Parameter.POSITIONAL_ONLY)
        self._defaults = {p.name: p.default for p in named if p.default is not Parameter.empty}
        self._sole = named[0].name if len(named) == 1 and not self._var else None
        # Whether the sole parameter can receive all params as a dict.
        self._whole = self._sole is not None and may_be_mapping(named[0], function)
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
        return cls(parameters, reserved, function)

    @property
    def sole(self) -> str | None:
        """The name of the only parameter; None when there are none or several."""
        return self._sole

    def takes(self, name: str) -> bool:
        """Whether a param of this name can reach the handler."""
        return self._var or self._whole or name in self._names

    @property
    def names(self) -> tuple[str, ...]:
        """The named parameters, in order."""
        return tuple(self._names)

    def lacking(self, params: Container[str]) -> list[str]:
        """The parameters that a call with these params would lack."""
        if self._whole:
            return []
        return [name for name in self._names if name in self._required and name not in params]

    def arguments(self, params: dict[str, Any], origin: Callable[[], Origin]) -> Arguments:
        """Return (args, kwargs) to call with; ``params`` itself serves as kwargs where it fits.

        Raises ArgumentError that says what is missing and what was sent in its place; ``origin`` is
        asked only then.
        """
        if self._sole is not None:
            return self._sole_argument(self._sole, params, origin)
        if not self._positional:
            if params.keys() == self._names:
                return (), params
            if self._var and params.keys() >= self._required and self._reserved not in params:
                return (), params
        return self._selected(params, origin)

    def _sole_argument(
        self, name: str, params: dict[str, Any], origin: Callable[[], Origin]
    ) -> Arguments:
        if name in params:
            value = params[name]
        elif params and self._whole:
            value = params
        elif name in self._required:
            raise ArgumentError(self._missing(params, origin()))
        else:
            return (), _NOTHING
        return ((value,), _NOTHING) if self._positional else ((), {name: value})

    def _selected(self, params: dict[str, Any], origin: Callable[[], Origin]) -> Arguments:
        if not params.keys() >= self._required:
            raise ArgumentError(self._missing(params, origin()))
        if self._reserved is not None and self._reserved in params:
            raise ArgumentError(
                f"{origin().place} cannot receive a param named {self._reserved!r}, the name of "
                "its own first argument: rename the param with param_mapping"
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

    def _missing(self, params: dict[str, Any], origin: Origin) -> str:
        absent = self._required - params.keys()
        missing = listing(name for name in self._names if name in absent)
        sent = listing(params) if params else "no params"
        place, sender, remedy = origin
        return f"{place} was called without {missing}; {sender} {sent}: {remedy}"
