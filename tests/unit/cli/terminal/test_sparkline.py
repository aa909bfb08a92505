"""Rows of numbers as lines of text."""

from __future__ import annotations

import pytest

from flowforge.cli.terminal.sparkline import sparkline


@pytest.mark.parametrize(
    ("numbers", "line"),
    [
        ([1, 0, 4, 8], "▁.▄█ 8"),
        ([None, 2, None, 2], " █ █ 2"),
        ([0, 0, None], ".."),
        ([], ""),
        ([100, 1], "█▁ 100"),
    ],
)
def test_a_bar_for_each(numbers: list[int | None], line: str) -> None:
    """A dot for zero, a blank for what is not known, and the highest behind them."""
    assert sparkline(numbers, 4) == line


def test_neighbours_are_added_up() -> None:
    """So that all fit; one that is known says enough of them."""
    assert sparkline([1, 1, 4, None, None, None], 3) == "▄█  4"
