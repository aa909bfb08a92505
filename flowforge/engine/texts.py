"""Texts that users give and the store keeps."""

from __future__ import annotations

import re

from flowforge.common.bounded_repr import shown
from flowforge.errors import InvalidValueError


def checked_text(name: str, value: object) -> str:
    """Return a text that can be stored; ``name``: what it was given as."""
    if not isinstance(value, str):
        raise InvalidValueError(f"{name} must be text, not {shown(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidValueError(
            f"{name} {shown(value)} holds half of a surrogate pair, which UTF-8 cannot encode"
        ) from None
    return value


_LINE_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


def checked_line_id(value: object) -> str | None:
    """Return the id of a log line, or None; ValueError for anything else."""
    if value is not None and (not isinstance(value, str) or not _LINE_ID.fullmatch(value)):
        raise InvalidValueError(f"after must be the id of a log line, not {shown(value)}")
    return value
