"""When something is to start that is put off: after a delay, or at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Literal, NamedTuple, TypeAlias

from flowforge.common.bounded_repr import shown
from flowforge.errors import InvalidValueError

#: How far ahead anything can be put off. What is further is a mistake in the unit.
MOST_DAYS = 3660

#: Seconds, or a length of time.
Delay: TypeAlias = float | timedelta


class Start(NamedTuple):
    """As the scripts take it. ``+``: so many ms from now, by the server's clock; ``@``: a time."""

    sign: Literal["+", "@"]
    ms: int

    def mode(self, mode: str, emitter: int | str = "") -> str:
        """The mode of a delivery that is put off; ``emitter``: the index of the routine."""
        return f"{self.sign}{self.ms} {emitter}:{mode}"


def start_of(delay: object, at: object, what: str = "") -> Start | None:
    """The start that is meant by one of the two; None: at once, which a time in the past is too.

    ``what``: stands behind the names in errors. InvalidValueError for both, for a time without a
    zone, and for what is no length of time, below 0 or further ahead than ``MOST_DAYS``.
    """
    if at is None:
        ms = 0 if delay is None else delay_ms(f"delay{what}", delay)
        return Start("+", ms) if ms else None
    if delay is not None:
        raise InvalidValueError(f"give delay{what} or at{what}, not both")
    return _at(f"at{what}", at)


def delay_ms(name: str, delay: object) -> int:
    """Milliseconds of a delay, never less than it; ``name``: what it was given as."""
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise InvalidValueError(f"{name} must be seconds or a timedelta, not {shown(delay)}")
    if not 0 <= seconds <= MOST_DAYS * 86_400:
        raise InvalidValueError(
            f"{name} must be from 0 seconds to {MOST_DAYS} days, not {shown(delay)}"
        )
    # What a float cannot hold must not make it a millisecond longer.
    return ceil(round(seconds * 1000, 3))


def timeout_ms(name: str, timeout: object) -> int:
    """Milliseconds of a length of time that something may take, above 0; 0 for None: no limit."""
    if timeout is None:
        return 0
    ms = delay_ms(name, timeout)
    if not ms:
        raise InvalidValueError(f"{name} must be above 0 seconds, not {shown(timeout)}")
    return ms


def _at(name: str, at: object) -> Start:
    if not isinstance(at, datetime):
        raise InvalidValueError(f"{name} must be a datetime, not {shown(at)}")
    if at.tzinfo is None or at.utcoffset() is None:
        raise InvalidValueError(
            f"{name} {at} has no time zone: use at.astimezone() for one of this machine, or "
            "datetime.now(UTC) + timedelta(...)"
        )
    if at - datetime.now(UTC) > timedelta(days=MOST_DAYS):
        raise InvalidValueError(f"{name} {at} is more than {MOST_DAYS} days ahead")
    return Start("@", max(1, ceil(round(at.timestamp() * 1000, 3))))
