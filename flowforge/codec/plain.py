"""Values as plain JSON, for programs that read the output of a command.

Unlike ``flowforge.codec.jsonable`` this cannot be turned back: a datetime becomes its ISO text and
not a tagged object.
"""

from __future__ import annotations

import base64
import json
import math
from datetime import date
from typing import Any, NoReturn

#: Bits of the largest int that is written as digits: Python refuses to print more than 4,300.
_DIGITS = 14_000

#: Types whose values are JSON already.
_AS_THEY_ARE = frozenset({str, bool})


def plain(value: Any) -> Any:
    """The value with what JSON lacks as text: dates in ISO form, bytes in base64, tuples and sets
    as lists, NaN and infinities by name, huge ints in hexadecimal."""
    # No comprehension around the recursion: one frame a level keeps the deepest payload well below
    # Python's recursion limit.
    if value is None or type(value) in _AS_THEY_ARE:
        return value
    items = []
    if isinstance(value, dict):
        for item in value.values():
            items.append(plain(item))
        return _named(list(value), items)
    if isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            items.append(plain(item))
        return sorted(items, key=json.dumps) if isinstance(value, (set, frozenset)) else items
    return _plain_scalar(value)


def _named(keys: list[Any], items: list[Any]) -> Any:
    if all(type(key) is str for key in keys):
        return dict(zip(keys, items, strict=True))
    names = []
    for key in keys:
        text = plain(key)
        names.append(text if isinstance(text, str) else json.dumps(text))
    if len(set(names)) == len(names):
        return dict(zip(names, items, strict=True))
    # Keys that differ only by their type, as 1 and "1".
    return [[plain(key), item] for key, item in zip(keys, items, strict=True)]


def _plain_scalar(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool)):
        return value
    return _plain_number(value) if isinstance(value, (int, float)) else _text(value)


def _plain_number(value: float) -> Any:
    if isinstance(value, int):
        return value if value.bit_length() < _DIGITS else hex(value)
    return value if math.isfinite(value) else str(value)


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, date) else str(value)


def to_json(value: Any, indent: int | None = None) -> str:
    """The value as JSON text, ASCII only, so that it passes through any terminal or pipe."""
    return (_FLAT if indent is None else _encoder(indent)).encode(plain(value))


def _encoder(indent: int | None) -> json.JSONEncoder:
    return json.JSONEncoder(indent=indent, allow_nan=False)


_FLAT = _encoder(None)


def read_json(text: str) -> Any:
    """Parse JSON in the strict sense; ValueError for anything else, NaN included."""
    try:
        return json.loads(text, parse_constant=_no_json)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _no_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
