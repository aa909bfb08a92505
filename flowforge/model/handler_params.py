"""What the handlers of a routine class take, as data: for forms, in processes without the class."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from inspect import Parameter
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from flowforge.model.handlers.annotation import may_be_mapping
from flowforge.model.routine import Routine
from flowforge.model.slot import CALL_SLOT

#: Handlers of a class, params of a handler and values of a choice that are told of.
_HANDLERS, _PARAMS, _CHOICES = 30, 50, 50

_VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


class ParamKind(StrEnum):
    """What a value is in JSON; ``ANY`` where the handler does not say, or says more than this."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    LIST = "list"
    OBJECT = "object"
    ANY = "any"


_KINDS: dict[object, ParamKind] = {
    str: ParamKind.TEXT,
    int: ParamKind.INTEGER,
    float: ParamKind.NUMBER,
    bool: ParamKind.BOOLEAN,
    list: ParamKind.LIST,
    dict: ParamKind.OBJECT,
}


class HandlerParam(NamedTuple):
    """A parameter. ``default``: only a number, True, False or None; a text may be a secret.

    ``nullable``: it may be None. ``choices``: the texts that it may be; none: any. ``title``,
    ``description``: for people, of the schema of a form alone.
    """

    name: str
    kind: ParamKind
    required: bool
    nullable: bool = False
    default: float | bool | None = None
    choices: Sequence[str] = ()
    title: str = ""
    description: str = ""


class HandlerParams(NamedTuple):
    """``open``: it takes params of other names too."""

    params: Sequence[HandlerParam]
    open: bool


def of_class(cls: type) -> dict[str, HandlerParams]:
    """The params of what can be a handler of the class, by the method's name."""
    return dict(_handlers(cls))


def _handlers(cls: type) -> Iterator[tuple[str, HandlerParams]]:
    found = 0
    for name in dir(cls):
        function = inspect.getattr_static(cls, name, None)
        own = name == CALL_SLOT or (not name.startswith("_") and not hasattr(Routine, name))
        if not own or not inspect.isfunction(function) or function is Routine.__call__:
            continue
        try:
            yield name, _of_function(function)
        except Exception:  # noqa: BLE001 - signatures and annotations may be anything
            continue
        found += 1
        if found == _HANDLERS:
            return


def _of_function(function: Callable[..., object]) -> HandlerParams:
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[1:]
    named = [one for one in parameters if one.kind not in _VARIADIC]
    variable = any(one.kind is Parameter.VAR_KEYWORD for one in parameters)
    if len(named) == 1 and not variable and _is_whole(named[0], function):
        return HandlerParams((), True)
    hints = _hints(function)
    params = [_param(one, hints.get(one.name, one.annotation)) for one in named[:_PARAMS]]
    return HandlerParams(params, variable or len(named) > _PARAMS)


def _is_whole(parameter: Parameter, function: Callable[..., object]) -> bool:
    """Whether the only parameter is meant to get all params in one dict."""
    return parameter.annotation is not Parameter.empty and may_be_mapping(parameter, function)


def _hints(function: Callable[..., object]) -> Mapping[str, object]:
    try:
        return typing.get_type_hints(inspect.unwrap(function))
    except Exception:  # noqa: BLE001 - a name in an annotation may be there for type checkers alone
        return {}


def _param(parameter: Parameter, hint: object) -> HandlerParam:
    kind, nullable, choices = _read(hint)
    required = parameter.default is Parameter.empty
    default = parameter.default
    return HandlerParam(
        parameter.name, kind, required, nullable or default is None, _told(default), choices
    )


def _told(default: Any) -> float | bool | None:
    """A default as far as it is told, also of what another process has told."""
    return default if type(default) in (int, float, bool) and abs(default) < 2**53 else None


def _read(hint: object) -> tuple[ParamKind, bool, Sequence[str]]:
    """Kind, whether None is one of its values, and the choices."""
    if get_origin(hint) in (Union, UnionType):
        parts = [part for part in get_args(hint) if part is not type(None)]
        nullable = len(parts) < len(get_args(hint))
        if len(parts) != 1:
            return ParamKind.ANY, nullable, ()
        kind, inner, choices = _read(parts[0])
        return kind, nullable or inner, choices
    if get_origin(hint) is Literal:
        values = get_args(hint)
        if len(values) <= _CHOICES and all(type(one) is str for one in values):
            return ParamKind.TEXT, False, values
        return ParamKind.ANY, False, ()
    plain = get_origin(hint) or hint
    try:
        return _KINDS.get(plain, ParamKind.ANY), False, ()
    except TypeError:  # an annotation that has no hash
        return ParamKind.ANY, False, ()


def record(found: Mapping[str, HandlerParams]) -> dict[str, Any]:
    """As data that can be packed."""
    return {
        name: [[_fields_of(one) for one in handler.params], handler.open]
        for name, handler in found.items()
    }


def _fields_of(one: HandlerParam) -> list[Any]:
    choices = list(one.choices)
    return [one.name, one.kind.value, one.required, one.nullable, one.default, choices]


def from_record(data: Mapping[str, Any]) -> dict[str, HandlerParams]:
    """What ``record`` made. Whatever is wrong with it raises one of Python's own errors; more than
    ``of_class`` tells of is wrong too.
    """
    return {
        _text(name): HandlerParams(
            [_param_of(*one) for one in _some(params, _PARAMS)], bool(is_open)
        )
        for name, (params, is_open) in _some(data, _HANDLERS).items()
    }


def _param_of(
    name: Any, kind: Any, required: Any, nullable: Any, default: Any, choices: Any
) -> HandlerParam:
    # A later release may have kinds that this one does not know.
    known = ParamKind(kind) if kind in list(ParamKind) else ParamKind.ANY
    texts = [_text(one) for one in _some(choices, _CHOICES)]
    return HandlerParam(_text(name), known, bool(required), bool(nullable), _told(default), texts)


def _some(found: Any, most: int) -> Any:
    if len(found) > most:
        raise ValueError(f"{len(found)} are more than {most}")
    return found


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError(f"{type(value).__name__} is no text")
    return value
