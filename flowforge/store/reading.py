"""What is read from the server, turned into values or into one clear error.

A record can be damaged, forged or of a release that nobody here knows. Whatever its reader trips
over then is a CorruptRecordError that names the record.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from flowforge.common.bounded_repr import shown
from flowforge.errors import CorruptRecordError, FlowForgeError

#: How reading something unexpected fails: no number, no UTF-8, no such index, a date out of range.
_FAILURES = (
    ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, OSError,
)  # fmt: skip

#: What counts, times and sizes fit in.
_LEAST, _MOST = -(2**63), 2**63 - 1

#: Milliseconds of the end of the year 9998: a forged time beyond it must not spoil a whole list.
LAST_TIME = 253_370_764_799_999


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
    """The value; TypeError when it is of none of the kinds, of which True is no int, and ValueError
    for an int that ``whole`` refuses.
    """
    if type(value) not in kinds:
        names = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{shown(value)} is no {names}")
    return whole(value) if type(value) is int else value


def whole(value: bytes | str | int) -> int:
    """A number of a record, also in digits: a count, time or size. ValueError beyond 64 bits, so
    that every reader can reckon with it and print it.
    """
    number = int(value)
    if not _LEAST <= number <= _MOST:
        raise ValueError(f"{shown(number)} is out of range")
    return number


def moment(milliseconds: bytes | int) -> datetime:
    """An aware datetime (UTC) of a time in a record; ValueError for none."""
    number = whole(milliseconds)
    if not 0 <= number <= LAST_TIME:
        raise ValueError(f"{number} is no time")
    return datetime.fromtimestamp(number / 1000, UTC)


def within_time(score: bytes) -> int:
    """The milliseconds of an index of jobs, at most those of the last year that a datetime has."""
    return int(min(max(float(score), 0.0), LAST_TIME))
