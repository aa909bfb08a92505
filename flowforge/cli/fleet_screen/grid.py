"""A table that fits a terminal: names are cut, and what is least needed is left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from flowforge.common.plain_text import unbroken

_GAP = 2

#: Cells that a column which is cut keeps.
_LEAST = 8


class Column(NamedTuple):
    """``cut``: it may be made narrower. ``spare``: it may be left out, the highest first."""

    name: str
    right: bool = False
    cut: bool = False
    spare: int = 0


def grid(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The header, and a line for each row, of at most ``width`` cells."""
    cells = [[column.name for column in columns], *([unbroken(one) for one in row] for row in rows)]
    parts = list(zip(*cells, strict=True))
    widths = [max(map(cell_len, part)) for part in parts]
    # A column in which nothing stands, such as the server's where there is one, says nothing.
    shown = [at for at, part in enumerate(parts) if any(part[1:]) or not columns[at].spare]
    while _least(columns, widths, shown) > width and any(columns[at].spare for at in shown):
        shown.remove(max(shown, key=lambda at: columns[at].spare))
    over = sum(widths[at] + _GAP for at in shown) - _GAP - width
    for at in sorted((at for at in shown if columns[at].cut), key=lambda at: -widths[at]):
        less = max(0, min(over, widths[at] - _LEAST))
        widths[at] -= less
        over -= less
    return [_line(columns, row, widths, shown, width) for row in cells]


def fitted(text: str, width: int) -> str:
    """The text, cut with a mark where it is longer."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 1)) + "…" if width > 0 else ""


def _least(columns: Sequence[Column], widths: Sequence[int], shown: Sequence[int]) -> int:
    least = (min(widths[at], _LEAST) if columns[at].cut else widths[at] for at in shown)
    return sum(one + _GAP for one in least) - _GAP


def _line(
    columns: Sequence[Column], row: Sequence[str], widths: Sequence[int], shown: Sequence[int],
    width: int,
) -> str:  # fmt: skip
    parts = []
    for at in shown:
        text = fitted(row[at], widths[at])
        blanks = " " * (widths[at] - cell_len(text))
        parts.append(blanks + text if columns[at].right else text + blanks)
    return fitted((" " * _GAP).join(parts).rstrip(), width)
