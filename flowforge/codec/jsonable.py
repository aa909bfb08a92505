"""Payload values as JSON and back: types that JSON lacks become ``{"$type": text}``."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo


def _to_datetime(value: str | list[str]) -> datetime:
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    text, zone = value
    moment = datetime.fromisoformat(text)
    # ISO text has no fold: the offset tells which of two equal clock times it was.
    first = moment.replace(tzinfo=ZoneInfo(zone))
    second = first.replace(fold=1)
    return second if second.utcoffset() == moment.utcoffset() != first.utcoffset() else first


_TO: dict[type, Callable[[Any], Any]] = {
    datetime: lambda v: (
        [v.isoformat(), v.tzinfo.key] if isinstance(v.tzinfo, ZoneInfo) else v.isoformat()
    ),
    date: lambda v: v.isoformat(),
    Decimal: str,
    UUID: str,
    bytes: lambda v: base64.b64encode(v).decode(),
    tuple: lambda v: [to_jsonable(item) for item in v],
    set: lambda v: [to_jsonable(item) for item in v],
}

_FROM: dict[str, Callable[[Any], Any]] = {
    "datetime": _to_datetime,
    "date": date.fromisoformat,
    "Decimal": Decimal,
    "UUID": UUID,
    "bytes": base64.b64decode,
    "int": lambda v: int(v, 16),
    "float": float,
    "tuple": lambda v: tuple(from_jsonable(item) for item in v),
    "set": lambda v: {from_jsonable(item) for item in v},
    "dict": lambda v: {from_jsonable(key): from_jsonable(item) for key, item in v},
}


def to_jsonable(value: Any) -> Any:
    """The JSON form of a value that msgpack payloads may hold."""
    kind = type(value)
    if kind in _TO:
        return {f"${kind.__name__}": _TO[kind](value)}
    if (kind is int and abs(value) >= 2**63) or (kind is float and not math.isfinite(value)):
        return {f"${kind.__name__}": hex(value) if kind is int else repr(value)}
    # No comprehension around the recursion: one frame a level leaves room for the deepest payload
    # below Python's recursion limit.
    items = []
    if kind is list:
        for item in value:
            items.append(to_jsonable(item))
        return items
    if isinstance(value, dict):
        for item in value.values():
            items.append(to_jsonable(item))
        if all(type(key) is str and not key.startswith("$") for key in value):
            return dict(zip(value, items, strict=True))
        keys = [to_jsonable(key) for key in value]
        return {"$dict": [list(pair) for pair in zip(keys, items, strict=True)]}
    return value


def from_jsonable(value: Any) -> Any:
    """The inverse of to_jsonable."""
    items = []
    if isinstance(value, list):
        for item in value:
            items.append(from_jsonable(item))
        return items
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((name, content),) = value.items()
        if name.startswith("$") and name[1:] in _FROM:
            return _FROM[name[1:]](content)
    for item in value.values():
        items.append(from_jsonable(item))
    return dict(zip(value, items, strict=True))
