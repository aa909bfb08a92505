"""A flow as boxes of characters, from the first layer down, with the lines between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from flowforge.cli.drawing.layers import Edge
from flowforge.cli.drawing.placing import Link, Node, place, ports

#: Cells to which long names are cut, one after the other, until the drawing fits.
_CUTS = (32, 22, 14)

_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8


class Signs(NamedTuple):
    """Characters of lines by the directions that they have, corners of boxes, and arrows."""

    lines: str
    corners: str
    down: str
    up: str
    cut: str


UNICODE = Signs(" │││─┘┐┤─└┌├─┴┬┼", "┌┐└┘", "▼", "▲", "…")
ASCII = Signs(" |||-+++-+++-+++", "++++", "v", "^", ".")


def boxes(
    texts: Sequence[Sequence[str]], edges: Sequence[Edge], width: int, signs: Signs = UNICODE
) -> list[str] | None:
    """The lines of the drawing; None where it does not fit into so many columns.

    ``texts``: the lines in the box of each node.
    """
    for most in _CUTS:
        cut = [[_cut(line, most, signs) for line in lines] for lines in texts]
        rows = place(cut, edges, cell_len)
        if max((node.right for row in rows for node in row), default=0) < width:
            return _Drawing(rows, signs).lines()
    return None


def _cut(text: str, most: int, signs: Signs) -> str:
    return text if cell_len(text) <= most else set_cell_size(text, most - 1) + signs.cut


class _Crossed(Exception):  # noqa: N818 - it is no error that anyone sees
    """Two lines of a gap would lie upon each other."""


class _Track(NamedTuple):
    """The lines of one bus between two layers: the columns in which they come and go.

    ``down``: the columns with an arrow at the lower end. ``up``: whether one stands at the upper.
    """

    tops: list[int]
    bottoms: list[int]
    down: list[int]
    up: bool

    @property
    def straight(self) -> bool:
        return len({*self.tops, *self.bottoms}) == 1

    @property
    def span(self) -> tuple[int, int]:
        return min(*self.tops, *self.bottoms), max(*self.tops, *self.bottoms)


class _Drawing:
    """Characters by row and column."""

    def __init__(self, rows: list[list[Node]], signs: Signs) -> None:
        self._rows = rows
        self._signs = signs
        self._text: dict[tuple[int, int], str] = {}
        self._bits: dict[tuple[int, int], int] = {}

    def lines(self) -> list[str] | None:
        """None where the lines cannot be told apart."""
        y = 0
        try:
            for row in self._rows:
                height = max((len(node.lines) + 2 for node in row if node.lines), default=1)
                for node in row:
                    self._node(node, y, height)
                y += height
                y += self._gap(row, y)
        except _Crossed:
            return None
        return self._joined(y)

    def _node(self, node: Node, y: int, height: int) -> None:
        above, below = ports(node, node.above), ports(node, node.below)
        if not node.lines:
            for column in above.values():
                for row in range(y, y + height):
                    self._bits[row, column] = _UP | _DOWN
            return
        back = {link.bus for link in (*node.above, *node.below) if link.back}
        # An arrow stands outside, the beginning of a line is a part of the frame.
        into = [column for bus, column in above.items() if bus in back]
        out = [column for bus, column in below.items() if bus not in back]
        bottom = y + height - 1
        corners = self._signs.corners
        frame = ((y, corners[:2], into, _UP), (bottom, corners[2:], out, _DOWN))
        for edge, ends, marks, bit in frame:
            for column in range(node.left + 1, node.right):
                self._bits[edge, column] = _LEFT | _RIGHT | (bit if column in marks else 0)
            self._text[edge, node.left] = ends[0]
            self._text[edge, node.right] = ends[1]
        for number in range(height - 2):
            row = y + 1 + number
            self._bits[row, node.left] = self._bits[row, node.right] = _UP | _DOWN
            if number < len(node.lines):
                self._write(row, node, node.lines[number])

    def _write(self, row: int, node: Node, text: str) -> None:
        column = node.left + 1 + (2 * node.half - 1 - cell_len(text)) // 2
        for sign in text:
            taken = cell_len(sign)
            if not taken:
                self._text[row, column - 1] = self._text.get((row, column - 1), " ") + sign
                continue
            self._text[row, column] = sign
            for more in range(1, taken):
                self._text[row, column + more] = ""
            column += taken

    def _gap(self, row: list[Node], y: int) -> int:
        """Draw the lines below a layer; returns how many rows they take."""
        tracks = list(_tracks(row))
        if not tracks:
            return 0
        levels = _levels(tracks)
        first = 1 if any(track.up for track in tracks) else 0
        height = first + max(levels, default=-1) + 2
        for track, level in zip(tracks, levels, strict=True):
            if level >= 0:
                self._across(track, y + first + level)
        for track, level in zip(tracks, levels, strict=True):
            self._along(track, y, y + first + level if level >= 0 else None, y + height)
        return height

    def _across(self, track: _Track, row: int) -> None:
        left, right = track.span
        for column in range(left, right + 1):
            bits = (_LEFT if column > left else 0) | (_RIGHT if column < right else 0)
            bits |= _UP if column in track.tops else 0
            bits |= _DOWN if column in track.bottoms else 0
            self._bits[row, column] = bits

    def _along(self, track: _Track, y: int, turn: int | None, end: int) -> None:
        """The pieces that go down; one that crosses a line goes over it."""
        for column in track.tops:
            for row in range(y, end if turn is None else turn):
                self._bits[row, column] = _UP | _DOWN
            if track.up:
                self._text[y, column] = self._signs.up
        for column in track.bottoms:
            for row in range(end if turn is None else turn + 1, end):
                self._bits[row, column] = _UP | _DOWN
            if column in track.down:
                self._text[end - 1, column] = self._signs.down

    def _joined(self, height: int) -> list[str]:
        width = max((column for _, column in (*self._bits, *self._text)), default=-1) + 1
        return [
            "".join(self._sign(row, column) for column in range(width)).rstrip()
            for row in range(height)
        ]

    def _sign(self, row: int, column: int) -> str:
        text = self._text.get((row, column))
        return self._signs.lines[self._bits.get((row, column), 0)] if text is None else text


def _tracks(row: list[Node]) -> Iterator[_Track]:
    """The lines below a layer."""
    buses: dict[object, list[Link]] = {}
    for node in row:
        for link in node.below:
            buses.setdefault(link.bus, []).append(link)
    for bus, links in buses.items():
        bottoms = {ports(one.lower, one.lower.above)[bus]: one for one in links}
        yield _Track(
            sorted({ports(one.upper, one.upper.below)[bus] for one in links}),
            sorted(bottoms),
            [column for column, one in bottoms.items() if one.arrow and not one.back],
            any(one.arrow and one.back for one in links),
        )


def _levels(tracks: Sequence[_Track]) -> list[int]:
    """The row of each track below the first, so that none lies upon another; -1 for a straight one.

    A track that begins in the column in which another one ends has to turn above it.
    """
    levels = [-1] * len(tracks)
    waiting = {number for number, track in enumerate(tracks) if not track.straight}
    while waiting:
        free = [n for n in waiting if not any(_over(tracks[m], tracks[n]) for m in waiting - {n})]
        if not free:
            raise _Crossed
        number = min(free, key=lambda n: tracks[n].span)
        placed = [m for m, level in enumerate(levels) if level >= 0]
        levels[number] = _level(tracks, levels, number, placed)
        waiting.discard(number)
    return levels


def _level(tracks: Sequence[_Track], levels: list[int], number: int, placed: list[int]) -> int:
    track = tracks[number]
    level = max((levels[m] + 1 for m in placed if _over(tracks[m], track)), default=0)
    while any(levels[m] == level and _meet(tracks[m].span, track.span) for m in placed):
        level += 1
    return level


def _over(upper: _Track, lower: _Track) -> bool:
    """Whether ``upper`` has to turn above ``lower``."""
    return upper is not lower and not set(upper.tops).isdisjoint(lower.bottoms)


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] + 1 and other[0] <= one[1] + 1
