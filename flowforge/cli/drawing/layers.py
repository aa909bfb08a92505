"""Which routines stand above which: layers from the first to the last, and the ways back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

Edge = tuple[int, int]


class Layers(NamedTuple):
    """``of``: the layer of each routine. ``back``: the edges that close a cycle; every other edge
    leads from a layer to a later one.
    """

    of: list[int]
    back: frozenset[Edge]


def layers(count: int, edges: Sequence[Edge]) -> Layers:
    """The layers of a graph with so many nodes."""
    targets: list[list[int]] = [[] for _ in range(count)]
    for source, target in dict.fromkeys(edges):
        targets[source].append(target)
    back = frozenset(_closing(targets))
    onward = [
        [target for target in found if (source, target) not in back]
        for source, found in enumerate(targets)
    ]
    return Layers(_longest_ways(onward), back)


def _closing(targets: Sequence[Sequence[int]]) -> Iterator[Edge]:
    """The edges that lead to a node of the path on which a search in depth meets them."""
    entered = {target for found in targets for target in found}
    roots = [node for node in range(len(targets)) if node not in entered]
    open_nodes: set[int] = set()
    known: set[int] = set()
    for root in [*roots, *range(len(targets))]:
        if root in known:
            continue
        known.add(root)
        open_nodes.add(root)
        path = [(root, iter(targets[root]))]
        while path:
            node, left = path[-1]
            target = next(left, None)
            if target is None:
                open_nodes.discard(node)
                path.pop()
            elif target in open_nodes:
                yield node, target
            elif target not in known:
                known.add(target)
                open_nodes.add(target)
                path.append((target, iter(targets[target])))


def _longest_ways(targets: Sequence[Sequence[int]]) -> list[int]:
    """Of each node of a graph without cycles the length of the longest way to it."""
    left = [0] * len(targets)
    for found in targets:
        for target in found:
            left[target] += 1
    ready = [node for node, count in enumerate(left) if not count]
    layer = [0] * len(targets)
    for node in ready:
        for target in targets[node]:
            layer[target] = max(layer[target], layer[node] + 1)
            left[target] -= 1
            if not left[target]:
                ready.append(target)
    return layer
