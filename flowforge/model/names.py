"""The rules for names, ids and counts that a user chooses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from itertools import islice

from flowforge.common.bounded_repr import shown
from flowforge.errors import DefinitionError

#: Characters. Names become parts of Redis keys, Celery task names and log lines.
MAX_NAME = 128

#: Names of params that one error message lists.
_LISTED = 20

#: Known names that a mistyped one is compared with.
_COMPARED = 100

_UNFIT = {"Cc", "Cs"}  # control characters, and surrogates, which have no UTF-8 form


def check_name(kind: str, name: object) -> str:
    """Return ``name`` when it is fit; DefinitionError says of which ``kind`` it is, and why not."""
    if not isinstance(name, str):
        raise DefinitionError(f"{kind} must be a string, not {type(name).__name__} {shown(name)}")
    if not name:
        raise DefinitionError(f"{kind} must not be empty")
    if len(name) > MAX_NAME:
        raise DefinitionError(
            f"{kind} {name[:40]!r}... has {len(name)} characters; at most {MAX_NAME} are allowed"
        )
    if any(unicodedata.category(character) in _UNFIT for character in name):
        raise DefinitionError(f"{kind} {name!r} must not contain control characters")
    return name


def check_names(kind: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return ``names`` as a tuple; a bare string is refused, since it would be read as letters."""
    if isinstance(names, str):
        raise DefinitionError(f"{kind} must be a list of names: write [{names!r}], not {names!r}")
    if not isinstance(names, Iterable):
        raise DefinitionError(f"{kind} must be a list of names, not {shown(names)}")
    return tuple(check_name(f"a name in {kind}", name) for name in names)


def check_whole(kind: str, value: object, least: int, most: int | None = None) -> int:
    """Return a whole number from ``least`` to ``most``; True and 3.0 are none."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise DefinitionError(f"{kind} must be a whole number >= {least}, not {shown(value)}")
    if most is not None and value > most:
        raise DefinitionError(f"{kind} must be at most {most:g}, not {shown(value)}")
    return value


def listing(names: Iterable[str]) -> str:
    """Format known names for an error message."""
    return ", ".join(repr(name) for name in names) or "none"


def some_of(names: Collection[str]) -> str:
    """``listing`` of names of any length and number, bounded."""
    rest = len(names) - _LISTED
    first = ", ".join(shown(name) for name in islice(names, _LISTED)) or "none"
    return first + (f" and {rest} more" if rest > 0 else "")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error message: the known name that is most like a mistyped one, or nothing."""
    likely = [one for one in islice(known, _COMPARED) if len(one) <= MAX_NAME]
    close = get_close_matches(name[:MAX_NAME], likely, 1)
    return f". Did you mean {close[0]!r}?" if close else ""


def snake_case(name: str) -> str:
    """``HTTPFetch2`` -> ``http_fetch2``: the stem of a generated routine id."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"_+", "_", split).strip("_").lower() or "routine"
