"""Where boxes of characters stand: in layers, with few crossings, near to what they lead to."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from flowforge.cli.drawing.layers import Edge, layers

#: Blank columns between two boxes, and between bends.
_GAP = 2

#: How often the order of the layers, and then the places, are made better.
_SWEEPS = 9


@dataclass(eq=False)
class Node:
    """A box, or without ``lines`` a bend of a line that passes a layer. ``center``: its column."""

    layer: int
    lines: Sequence[str] = ()
    half: int = 0
    order: float = 0.0
    center: int = 0
    above: list[Link] = field(default_factory=list)
    below: list[Link] = field(default_factory=list)

    @property
    def left(self) -> int:
        return self.center - self.half

    @property
    def right(self) -> int:
        return self.center + self.half


@dataclass(eq=False)
class Link:
    """A piece of a line, from a layer to the next. Those of the same ``bus`` are drawn as one.

    ``back``: it is read upwards. ``arrow``: whether it begins or ends at a box that it leads to.
    """

    upper: Node
    lower: Node
    bus: object
    back: bool
    arrow: bool


def place(
    texts: Sequence[Sequence[str]], edges: Sequence[Edge], width_of: Callable[[str], int]
) -> list[list[Node]]:
    """The nodes of each layer from the left; the leftmost column of all is 0."""
    rows = _linked(texts, edges)
    for row in rows:
        for node in row:
            ports = max(len(_buses(node.above)), len(_buses(node.below)))
            inner = max((width_of(line) + 2 for line in node.lines), default=0)
            node.half = max(inner + 2, 2 * ports + 1) // 2 if node.lines else ports - 1
    _order(rows)
    _spread(rows)
    return rows


def ports(node: Node, links: Sequence[Link]) -> dict[object, int]:
    """The column of each bus at one side of a node."""
    ends: dict[object, list[int]] = {}
    for link in links:
        other = link.lower if link.upper is node else link.upper
        ends.setdefault(link.bus, []).append(other.center)
    buses = sorted(ends, key=lambda bus: sum(ends[bus]) / len(ends[bus]))
    first = node.center - (len(buses) - 1)
    return {bus: first + 2 * number for number, bus in enumerate(buses)}


def _buses(links: Sequence[Link]) -> set[object]:
    return {link.bus for link in links}


def _linked(texts: Sequence[Sequence[str]], edges: Sequence[Edge]) -> list[list[Node]]:
    """The layers in the order of the flow, with bends where a line passes a layer."""
    found = layers(len(texts), edges)
    boxes = [Node(layer, lines) for layer, lines in zip(found.of, texts, strict=True)]
    rows: list[list[Node]] = [[] for _ in range(max(found.of, default=-1) + 1)]
    for box in boxes:
        rows[box.layer].append(box)
    bends: dict[object, Node] = {}
    for source, target in dict.fromkeys(edges):
        if source == target:
            continue
        back = (source, target) in found.back
        upper, lower = (target, source) if back else (source, target)
        # Lines onward from one box share a bus; each way back has its own.
        name = ("back", source, target) if back else ("on", source)
        _chain(rows, bends, boxes[upper], boxes[lower], name, back=back)
    for row in rows:
        for node in row:
            _join(node)
    return rows


def _chain(
    rows: list[list[Node]], bends: dict[object, Node], upper: Node, lower: Node, name: object,
    *, back: bool,
) -> None:  # fmt: skip
    node = upper
    for layer in range(upper.layer + 1, lower.layer):
        bend = bends.get((name, layer))
        if bend is None:
            bend = bends[name, layer] = Node(layer)
            rows[layer].append(bend)
            _link(node, bend, name, back=back, arrow=back and node is upper)
        node = bend
    _link(node, lower, name, back=back, arrow=not back or node is upper)


def _link(upper: Node, lower: Node, bus: object, *, back: bool, arrow: bool) -> None:
    link = Link(upper, lower, (bus, upper.layer), back, arrow)
    upper.below.append(link)
    lower.above.append(link)


def _join(node: Node) -> None:
    """Lines onward that lead to this node alone share a bus, and one arrow."""
    alone = [
        link
        for link in node.above
        if not link.back and sum(other.bus == link.bus for other in link.upper.below) == 1
    ]
    if len(alone) > 1:
        for link in alone:
            link.bus = ("join", id(node))


# --- order --------------------------------------------------------------------------------------


def _order(rows: list[list[Node]]) -> None:
    """Sort each layer by the middle of its neighbours, and keep the order with fewest crossings."""
    _number(rows)
    best, fewest = [list(row) for row in rows], _crossings(rows)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            row.sort(key=lambda node: _middle(node, down))
            for number, node in enumerate(row):
                node.order = number
        crossings = _crossings(rows)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    rows[:] = best
    _number(rows)


def _number(rows: list[list[Node]]) -> None:
    for row in rows:
        for number, node in enumerate(row):
            node.order = number


def _middle(node: Node, down: bool) -> float:
    near = [link.upper.order for link in node.above] if down else []
    near = near if down else [link.lower.order for link in node.below]
    return sum(near) / len(near) if near else node.order


def _crossings(rows: list[list[Node]]) -> int:
    count = 0
    for row in rows:
        pairs = sorted((node.order, link.lower.order) for node in row for link in node.below)
        ends = [end for _, end in pairs]
        count += sum(a > b for at, a in enumerate(ends) for b in ends[at + 1 :])
    return count


# --- columns ------------------------------------------------------------------------------------


def _spread(rows: list[list[Node]]) -> None:
    for row in rows:
        edge = 0
        for node in row:
            node.center = edge + node.half
            edge = node.right + 1 + _GAP
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            _settle(row, [_wanted(node, sweep) for node in row])
    left = min((node.left for row in rows for node in row), default=0)
    for row in rows:
        for node in row:
            node.center -= left


def _wanted(node: Node, sweep: int) -> float:
    """Between the neighbours: those above, those below in turn, and at last all."""
    above = [link.upper.center for link in node.above]
    below = [link.lower.center for link in node.below]
    last = sweep >= _SWEEPS - 2
    near = above + below if last else (above if sweep % 2 == 0 else below)
    return median(near) if near else node.center


def _settle(row: list[Node], wanted: Sequence[float]) -> None:
    """Place each node as near to where it is wanted as the others let it."""
    offsets, at = [], 0
    for before, node in zip([None, *row], row, strict=False):
        at += 0 if before is None else before.half + node.half + 1 + _GAP
        offsets.append(at)
    blocks: list[list[float]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        block = [want - offset]
        # Those that touch move as one, to the place that suits their middle one.
        while blocks and median(blocks[-1]) >= median(block):
            block = blocks.pop() + block
        blocks.append(block)
    bases = [math.floor(median(block) + 0.5) for block in blocks for _ in block]
    for node, base, offset in zip(row, bases, offsets, strict=True):
        node.center = base + offset
