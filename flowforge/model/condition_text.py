"""Conditions of breakpoints as people write them: ``amount>100``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import Any

from flowforge.codec.plain import read_json
from flowforge.common.bounded_repr import shown
from flowforge.errors import InvalidValueError
from flowforge.model.condition import Condition

#: A param, a comparison and a value. A single ``=`` is taken for ``==``.
_SIGN = re.compile(r"\s*([^\s<>=!]+)\s*(==|!=|<=|>=|=|<|>)\s*(.*?)\s*", re.DOTALL)
_WORD = re.compile(r"\s*(\S+)\s+(in|contains)\s+(.*?)\s*", re.DOTALL)
_EXISTS = re.compile(r"\s*(\S+)\s+(exists|does not exist)\s*")

FORMS = (
    'amount>100, status==paid, region in ["eu", "us"], note contains late, card exists, or card '
    "does not exist"
)


def read_condition(texts: Iterable[str]) -> dict[str, list[tuple[str, Any]]] | None:
    """What ``break_at`` takes as ``when``, of comparisons that must all hold; None without any.

    A value is JSON or a literal of Python, else text. InvalidValueError for what is no comparison.
    """
    found: dict[str, list[tuple[str, Any]]] = {}
    for text in texts:
        param, comparison, value = _comparison(text)
        found.setdefault(param, []).append((comparison, value))
    Condition.of(found)
    return found or None


def _comparison(text: str) -> tuple[str, str, Any]:
    if match := _EXISTS.fullmatch(text):
        return match[1], "exists", match[2] == "exists"
    match = _WORD.fullmatch(text) or _SIGN.fullmatch(text)
    if match is None:
        raise InvalidValueError(f"{shown(text)} is no comparison such as {FORMS}")
    param, comparison, written = match.groups()
    if not written:
        raise InvalidValueError(f'{shown(text)} has no value; an empty text is ""')
    return param, "==" if comparison == "=" else comparison, _value(written)


def _value(written: str) -> Any:
    """JSON; else what Python's ``repr`` writes, as a list of breakpoints shows it; else text."""
    for read in (read_json, ast.literal_eval):
        try:
            return read(written)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return written
