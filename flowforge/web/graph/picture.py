"""What is drawn at each place of a flow's picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from flowforge.model.connection import Connection
from flowforge.model.definition import Definition
from flowforge.model.jobs.connection_count import JobWork
from flowforge.web.graph.layout import HEIGHT, WIDTH, Layout
from flowforge.web.work_words import label, sentence, waits

#: Characters of a routine's id that fit into its box.
_FITS = 22

#: Radius of the corners of a path.
_ROUND = 8.0


class RoutineBox(NamedTuple):
    """A routine: its corner, how it is called, its state, and what of it waits."""

    x: float
    y: float
    id: str
    title: str
    state: Mapping[str, Any]
    waits: str


class ConnectionPath(NamedTuple):
    """A connection: the path of its line, as SVG writes it, what it connects, and what went over it
    with the place where that is written.
    """

    path: str
    title: str
    active: bool
    label: str
    x: float
    y: float
    anchor: str


class Picture(NamedTuple):
    """All that the template draws."""

    width: float
    height: float
    box_width: float
    box_height: float
    boxes: list[RoutineBox]
    paths: list[ConnectionPath]


def picture(
    definition: Definition,
    placed: Layout,
    states: Mapping[str, Mapping[str, Any]],
    work: JobWork | None = None,
) -> Picture:
    """The picture of a definition; ``states``: of each routine, by its id. ``work``: where the
    invocations of a job are; None: it is not known, or there is no job.
    """
    paths = zip(definition.connections, placed.paths, strict=True)
    return Picture(
        placed.width,
        placed.height,
        WIDTH,
        HEIGHT,
        [
            RoutineBox(
                box.x, box.y, spec.id, _short(spec.id), states[spec.id],
                "" if work is None else waits(work.routines[spec.id]),
            )
            for spec, box in zip(definition.routines, placed.boxes, strict=True)
        ],
        [
            _path(place, connection, points, states, work)
            for place, (connection, points) in enumerate(paths)
        ],
    )  # fmt: skip


def _path(
    place: int,
    connection: Connection,
    points: list[tuple[float, float]],
    states: Mapping[str, Mapping[str, Any]],
    work: JobWork | None,
) -> ConnectionPath:
    runs = bool(states[connection.target_routine_id].get("running"))
    if work is None:
        return ConnectionPath(_rounded(points), str(connection), runs, "", *_before(points))
    count = work.connections[place]
    if count.places is not None and count.places.running is not None:
        runs = count.places.running > 0
    return ConnectionPath(
        _rounded(points), sentence(count), runs, label(count), *_before(points)
    )  # fmt: skip


def _before(points: list[tuple[float, float]]) -> tuple[float, float, str]:
    """Where a text stands beside the end of a line, and with which end of its own."""
    (ax, _), (bx, by) = points[-2:]
    if ax < bx:
        return bx - 12, by - 5, "end"
    return bx + 12, by - 5, "start"


def _short(name: str) -> str:
    return name if len(name) <= _FITS else f"{name[: _FITS - 1]}…"


def _rounded(points: list[tuple[float, float]]) -> str:
    """The path through the points, with round corners."""
    parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for before, at, after in zip(points, points[1:], points[2:], strict=False):
        begin, end = _towards(at, before), _towards(at, after)
        parts.append(f"L{begin[0]:.1f} {begin[1]:.1f}")
        parts.append(f"Q{at[0]:.1f} {at[1]:.1f} {end[0]:.1f} {end[1]:.1f}")
    parts.append(f"L{points[-1][0]:.1f} {points[-1][1]:.1f}")
    return " ".join(parts)


def _towards(at: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """The point on the way to another one where the corner begins."""
    x, y = other[0] - at[0], other[1] - at[1]
    length = max(abs(x), abs(y))
    part = min(_ROUND, length / 2) / length if length else 0.0
    return at[0] + x * part, at[1] + y * part
