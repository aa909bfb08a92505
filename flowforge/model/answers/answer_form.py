"""The form of an answer: a JSON schema, made from a class or given as it is."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import json
import typing
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from flowforge.common.bounded_repr import shown
from flowforge.errors import InvalidValueError

#: Bytes of a schema as JSON.
MOST_BYTES = 16 * 1024

_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    NoneType: {"type": "null"},
    dict: {"type": "object"},
    list: {"type": "array"},
    tuple: {"type": "array"},
}


def form_schema(form: object) -> dict[str, Any] | None:
    """The JSON schema of a form: of a dataclass, a TypedDict or a pydantic model, or a schema.

    None for None. InvalidValueError for anything else, for a schema of no object, and for one that
    is no JSON or larger than ``MOST_BYTES``.
    """
    if form is None:
        return None
    schema = _schema_of(form)
    if schema.get("type", "object") != "object":
        raise InvalidValueError(
            'form must be the schema of an object, with "type": "object": an answer is a dict of '
            "params"
        )
    try:
        size = len(schema_text(schema))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidValueError(f"form is no JSON schema: {error}") from None
    if size > MOST_BYTES:
        raise InvalidValueError(f"form takes {size} bytes as JSON; at most {MOST_BYTES} are kept")
    return schema


def schema_text(schema: dict[str, Any]) -> str:
    """The schema as it is stored; a form has its fields in this order."""
    return json.dumps(schema, separators=(",", ":"), allow_nan=False)


def _schema_of(form: object) -> dict[str, Any]:
    if isinstance(form, dict) and all(isinstance(name, str) for name in form):
        return form
    of_pydantic = getattr(form, "model_json_schema", None)
    if isinstance(form, type) and callable(of_pydantic):
        found: dict[str, Any] = of_pydantic()
        return found
    if isinstance(form, type) and dataclasses.is_dataclass(form):
        hints = _hints(form)
        fields = [one for one in dataclasses.fields(form) if one.init]
        required = [one.name for one in fields if _is_required(one)]
        properties = {one.name: _with_default(hints[one.name], one.default) for one in fields}
        return _object(form, properties, required)
    if typing.is_typeddict(form) and isinstance(form, type):
        hints = _hints(form)
        required = [name for name, hint in hints.items() if _is_required_key(form, name, hint)]
        return _object(form, {name: _of(hint) for name, hint in hints.items()}, required)
    raise InvalidValueError(
        "form must be a dataclass, a TypedDict, a pydantic model or a JSON schema as a dict, not "
        f"{shown(form)}"
    )


def _object(form: type, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    text = inspect.getdoc(form) or ""
    # What Python writes itself is no description.
    written = text and not text.startswith((f"{form.__name__}(", "dict("))
    return {
        "type": "object", "title": form.__name__,
        **({"description": text} if written else {}),
        "properties": properties, "required": required, "additionalProperties": False,
    }  # fmt: skip


def _is_required_key(form: type, name: str, hint: Any) -> bool:
    # Python itself does not see NotRequired in annotations that are text.
    by_python: frozenset[str] = form.__required_keys__  # type: ignore[attr-defined]
    origin = get_origin(hint)
    return origin is typing.Required or (origin is not typing.NotRequired and name in by_python)


def _hints(form: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(form, include_extras=True)
    except Exception as error:  # noqa: BLE001 - an annotation may be anything
        raise InvalidValueError(
            f"form {form.__qualname__} has an annotation that cannot be read: {error}"
        ) from None


def _is_required(one: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return one.default is missing and one.default_factory is missing


def _with_default(hint: Any, default: Any) -> dict[str, Any]:
    if isinstance(default, enum.Enum):
        default = default.value
    told = default is None or type(default) in (str, int, float, bool)
    return {**_of(hint), **({"default": default} if told else {})}


def _of(hint: Any) -> dict[str, Any]:
    """The schema of a value; without a type where the annotation says none that JSON has."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return {"anyOf": [_of(part) for part in args]}
    if origin is Literal:
        return {"enum": list(args)}
    if origin in (typing.Required, typing.NotRequired, typing.Annotated):
        return _of(args[0])
    if origin in (list, tuple, set, frozenset) and args and args[-1:] != (...,):
        return {"type": "array", "items": _of(args[0])}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {"enum": [one.value for one in hint]}
    return dict(_PLAIN.get(origin or hint, {})) if _is_hashable(origin or hint) else {}


def _is_hashable(value: Any) -> bool:
    return getattr(type(value), "__hash__", None) is not None
