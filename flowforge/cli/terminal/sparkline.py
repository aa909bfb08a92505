"""A row of numbers as a line of text."""

from __future__ import annotations

from collections.abc import Sequence

from flowforge.common.sums import neighbours

_LEVELS = "▁▂▃▄▅▆▇█"


def sparkline(numbers: Sequence[int | None], width: int) -> str:
    """The sums of neighbouring numbers, ``width`` of them: a bar for each, the highest of full
    height, a dot for zero, a blank where none is known. Behind them the highest.
    """
    sums = neighbours(numbers, width)
    highest = max((number for number in sums if number is not None), default=0)
    if not highest:
        return "".join(" " if number is None else "." for number in sums).rstrip()
    bars = (_bar(number, highest) for number in sums)
    return f"{''.join(bars)} {highest}"


def _bar(number: int | None, highest: int) -> str:
    if number is None:
        return " "
    return _LEVELS[-(-number * len(_LEVELS) // highest) - 1] if number else "."
