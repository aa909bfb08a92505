"""What is read from the server, turned into values or into one clear error.

A record can be damaged, forged or of a release that nobody here knows. Whatever its reader trips
over then is a CorruptRecordError that names the record.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flowforge.errors import CorruptRecordError, FlowForgeError
from flowforge.shown import shown

#: How reading something unexpected fails: no number, no UTF-8, no such index, a date out of range.
_FAILURES = (
    ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, OSError,
)  # fmt: skip


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Whatever fails inside is a CorruptRecordError that names ``what`` is read."""
    try:
        yield
    except FlowForgeError:
        raise
    except _FAILURES as error:
        problem = f"{type(error).__name__}: {error}"
        raise CorruptRecordError(f"{what} cannot be read: {problem:.200}") from error


def typed(value: Any, *kinds: type) -> Any:
    """The value; TypeError when it is of none of the kinds, of which True is no int."""
    if type(value) not in kinds:
        names = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{shown(value)} is no {names}")
    return value
