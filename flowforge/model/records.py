"""Reading stored records whose shape cannot be trusted, and the type of those records."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeAlias, TypeVar

from flowforge.common.bounded_repr import shown
from flowforge.errors import CorruptRecordError, DefinitionError

#: A JSON object.
Record: TypeAlias = dict[str, Any]

#: Levels of lists and dicts in a value; far above any real one, far below Python's recursion limit.
MAX_DEPTH = 64

T = TypeVar("T")


def read(record: object, key: str, kind: type[T], where: str) -> T:
    """Return ``record[key]``; CorruptRecordError unless it is there and a ``kind``."""
    if not isinstance(record, dict):
        raise CorruptRecordError(f"{where} must be an object, not {type(record).__name__}")
    value: object = record.get(key)
    # bool is a subclass of int, yet True is no count.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise CorruptRecordError(f"{where}: {key!r} must be {kind.__name__}, not {shown(value)}")
    return value


def read_optional(record: Record, key: str, kind: type[T], where: str) -> T | None:
    """As ``read``, but absent and null are None."""
    return None if record.get(key) is None else read(record, key, kind, where)


def read_list(record: object, key: str, kind: type[T], where: str) -> list[T]:
    """As ``read``, for a list of ``kind``."""
    items = read(record, key, list, where)
    for position, item in enumerate(items):
        if not isinstance(item, kind):
            raise CorruptRecordError(
                f"{where}: {key}[{position}] must be {kind.__name__}, not {shown(item)}"
            )
    return items


def plain_copy(value: object, path: str, depth: int = 0) -> Any:
    """Copy ``value`` as JSON would give it back (tuples become lists, subclasses their base).

    Raises DefinitionError with the path of the first value that JSON cannot carry.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, (list, tuple)):
        _check_depth(path, depth)
        return [plain_copy(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(value)]
    if isinstance(value, dict):
        _check_depth(path, depth)
        return {
            _plain_key(key, path): plain_copy(item, f"{path}[{key!r}]", depth + 1)
            for key, item in value.items()
        }
    raise DefinitionError(
        f"{path} is {shown(value)} ({type(value).__name__}), which JSON cannot carry: "
        "use None, bool, int, finite float, str, list or dict with string keys"
    )


def _check_depth(path: str, depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise DefinitionError(f"{path[:80]}... is nested deeper than {MAX_DEPTH}, or holds itself")


def _plain_key(key: object, path: str) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    raise DefinitionError(
        f"{path} has the key {shown(key)} ({type(key).__name__}); JSON keys are strings"
    )


def check_unique(values: Iterable[str], what: str, where: str) -> None:
    """Raise CorruptRecordError when a stored name that must be unique occurs twice."""
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise CorruptRecordError(f"{where}: {what} {value!r} occurs twice")
        seen.add(value)
