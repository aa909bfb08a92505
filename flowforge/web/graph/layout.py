"""Where the routines of a flow stand and how its connections run, by the library graphlay."""

from __future__ import annotations

from typing import Any, NamedTuple

from flowforge.common.lru_cache import Recent
from flowforge.model.definition import Definition

try:
    import graphlay
except ImportError:  # no wheel for this platform: the page shows a table alone
    DRAWS = False
else:
    DRAWS = True

#: Size of a routine's box, and what is left free around the picture.
WIDTH, HEIGHT = 210, 94
_MARGIN = 16

#: Between two columns of routines: room for the numbers of the connections.
_GAP = 100.0

#: A picture of more routines is no help, and takes seconds to lay out.
_MOST = 150

_layouts: Recent[str, Layout] = Recent(256)


class Box(NamedTuple):
    """Upper left corner of a routine's box."""

    x: float
    y: float


class Layout(NamedTuple):
    """``boxes``: by the routine's index. ``paths``: by the connection's, as points."""

    width: float
    height: float
    boxes: list[Box]
    paths: list[list[tuple[float, float]]]


def layout(definition: Definition) -> Layout | None:
    """The layout of a definition, computed once; None where there can be no picture."""
    if not DRAWS or len(definition.routines) > _MOST:
        return None
    found = _layouts.get(definition.hash)
    return _layouts.add(definition.hash, _made(definition)) if found is None else found


def _made(definition: Definition) -> Layout:
    graph = graphlay.Graph()
    for _ in definition.routines:
        graph.node(width=float(WIDTH), height=float(HEIGHT))
    for connection in definition.connections:
        graph.edge(
            definition.index(connection.source_routine_id),
            definition.index(connection.target_routine_id),
        )
    placed = graphlay.layout(graph, options={"spacing": {"layer_gap": _GAP}})
    points = [point for edge in placed.edges for point in edge["points"]]
    left = min([placed.bounds["min"]["x"], *(point["x"] for point in points)]) - _MARGIN
    top = min([placed.bounds["min"]["y"], *(point["y"] for point in points)]) - _MARGIN
    right = max([placed.bounds["max"]["x"], *(point["x"] for point in points)]) + _MARGIN
    bottom = max([placed.bounds["max"]["y"], *(point["y"] for point in points)]) + _MARGIN
    return Layout(
        right - left,
        bottom - top,
        [_box(node, left, top) for node in placed.nodes],
        [[(p["x"] - left, p["y"] - top) for p in edge["points"]] for edge in placed.edges],
    )


def _box(node: dict[str, Any], left: float, top: float) -> Box:
    center, size = node["center"], node["size"]
    return Box(center["x"] - size["width"] / 2 - left, center["y"] - size["height"] / 2 - top)
