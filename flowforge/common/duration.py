"""Lengths of time as people read and write them."""

from __future__ import annotations

import re
from datetime import timedelta

#: What stands for a unit of time.
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def span_of(text: str) -> timedelta | None:
    """What ``90`` (seconds), ``30m``, ``1.5h`` or ``7d`` means; None for other text."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)([smhdw]?)", text.strip())
    return timedelta(**{UNITS[match[2] or "s"]: float(match[1])}) if match else None


def duration(seconds: float) -> str:
    """A length of time with three figures at most, for example ``12.3 ms`` or ``2 h 5 min``."""
    if seconds < 1:
        return f"{seconds * 1000:.{1 if seconds < 0.1 else 0}f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"
