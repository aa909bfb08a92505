"""Texts that users give and the store keeps."""

from __future__ import annotations

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
