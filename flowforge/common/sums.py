"""Rows of numbers of which some are not known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def known_sum(numbers: Iterable[int | None]) -> int | None:
    """The sum of those that are known; None without any."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def neighbours(numbers: Sequence[int | None], count: int) -> list[int | None]:
    """The sums of neighbouring numbers: at most ``count``, each of as many numbers."""
    size = max(1, -(-len(numbers) // count))
    return [known_sum(numbers[start : start + size]) for start in range(0, len(numbers), size)]
