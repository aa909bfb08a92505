"""Workers whose clock is wrong: the modules ``time`` and ``datetime`` tell another time.

Monotonic clocks stay as they are. libfaketime would turn the clock of C code too, but it breaks
``time.sleep`` of Python 3.11 and later, which sleeps until a monotonic deadline.
"""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Mapping

MODULE = __name__

_VARIABLE = "FLOWFORGE_CHAOS_SKEW"


def environment(seconds: int) -> Mapping[str, str]:
    """What a worker is told whose clock is that far ahead (or, below zero, behind)."""
    return {_VARIABLE: str(seconds)}


def _turn(seconds: float) -> None:
    real, real_ns = time.time, time.time_ns

    class Turned(datetime.datetime):
        """What later imports of ``datetime`` get."""

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Turned:
            return cls.fromtimestamp(time.time(), tz)

        @classmethod
        def utcnow(cls) -> Turned:
            return cls.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None)

    time.time = lambda: real() + seconds
    time.time_ns = lambda: real_ns() + int(seconds * 1e9)
    datetime.datetime = Turned  # type: ignore[misc]


if _VARIABLE in os.environ:
    _turn(float(os.environ[_VARIABLE]))
