"""The picture of a flow: a box for each routine, a line for each connection, none over a box."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from flowforge import Flow, Routine, routine
from flowforge.model.connection import Connection
from flowforge.model.jobs.connection_count import ConnectionCount, JobWork, WorkPlaces
from flowforge.web.graph.layout import HEIGHT, WIDTH, layout
from flowforge.web.graph.picture import picture
from flowforge.web.work_words import standing


@routine(events=["left", "right"])
def spread(self: Routine) -> None:
    """Nothing is emitted here."""


@routine
def work(n: int) -> None:
    """Nothing is done."""


def diamond() -> Flow:
    flow = Flow("diamond")
    flow.add_routine(spread, "spread")
    for name in ("one", "two", "end"):
        flow.add_routine(work, name)
    flow.connect("spread", "left", "one", "input")
    flow.connect("spread", "right", "two", "input")
    flow.connect("one", "output", "end", "input")
    flow.connect("two", "output", "end", "input")
    flow.connect("end", "output", "one", "input")
    return flow


def test_boxes_stand_apart_and_inside() -> None:
    placed = layout(diamond().definition())
    assert placed is not None
    assert len(placed.boxes) == 4
    for box in placed.boxes:
        assert 0 < box.x < placed.width - WIDTH
        assert 0 < box.y < placed.height - HEIGHT
    for place, one in enumerate(placed.boxes):
        for other in placed.boxes[:place]:
            assert abs(one.x - other.x) >= WIDTH or abs(one.y - other.y) >= HEIGHT


def test_lines_run_from_box_to_box() -> None:
    """Also back, on a cycle; upright or level, within the picture."""
    definition = diamond().definition()
    placed = layout(definition)
    assert placed is not None
    for connection, points in zip(definition.connections, placed.paths, strict=True):
        source = placed.boxes[definition.index(connection.source_routine_id)]
        target = placed.boxes[definition.index(connection.target_routine_id)]
        for (x, y), box in ((points[0], source), (points[-1], target)):
            assert box.x - 1 <= x <= box.x + WIDTH + 1
            assert box.y - 1 <= y <= box.y + HEIGHT + 1
        for (x, y), (right, down) in pairwise(points):
            assert abs(x - right) < 0.01 or abs(y - down) < 0.01
        assert all(0 < x < placed.width and 0 < y < placed.height for x, y in points)


def test_a_definition_is_laid_out_once() -> None:
    assert layout(diamond().definition()) is layout(diamond().definition())


def test_a_flow_of_hundreds_of_routines_has_no_picture() -> None:
    flow = Flow("wide")
    for number in range(151):
        flow.add_routine(work, f"r{number}")
    assert layout(flow.definition()) is None


def test_a_long_name_is_cut_in_its_box_alone() -> None:
    flow = Flow("long")
    flow.add_routine(work, "w" * 60)
    definition = flow.definition()
    placed = layout(definition)
    assert placed is not None
    (box,) = picture(definition, placed, {"w" * 60: {"status": "pending"}}).boxes
    assert box.id == "w" * 60
    assert box.title == "w" * 21 + "…"


def count(connection: Connection, delivered: int | None, **more: Any) -> ConnectionCount:
    return ConnectionCount(connection, delivered, more.pop("is_estimate", False), **more)


def test_a_connection_has_its_numbers() -> None:
    """At the end of its line and in its title; boxes have what waits."""
    definition = diamond().definition()
    placed = layout(definition)
    assert placed is not None
    one, two, joined, unknown, none = definition.connections
    places = WorkPlaces(1, {"queued": 1200, "timer": 2}, 0, is_estimate=False)
    counts = [
        count(one, 1210, done=6, failed=1, places=places),
        count(two, 3, done=3, failed=0, places=WorkPlaces(), is_estimate=True),
        count(joined, 7),
        count(unknown, None, is_estimate=True),
        count(none, 0, done=0, failed=0, places=WorkPlaces()),
    ]
    routines = {spec.id: WorkPlaces() for spec in definition.routines}
    routines["one"] = WorkPlaces(None, {"max_in_flight": 3}, 4, is_estimate=True)
    states = {spec.id: {"status": "pending", "running": 1} for spec in definition.routines}
    drawn = picture(definition, placed, states, JobWork(routines, counts))
    assert [line.label for line in drawn.paths] == ["6/1\u202f210 ✕1", "≈3", "7", "", ""]
    assert drawn.paths[0].title == (
        "spread.left -> one.input: 1\u202f210 delivered, 6 done, 1 running, 1\u202f200 queued, "
        "2 on a timer, 1 failed"
    )
    assert drawn.paths[3].title == "two.output -> end.input: not known"
    assert [line.active for line in drawn.paths] == [True, False, True, True, False]
    assert [box.waits for box in drawn.boxes if box.waits] == [
        "≈3 parked: no room, ≈4 running or parked"
    ]
    for line in drawn.paths:
        assert 0 < line.x < drawn.width
        assert 0 < line.y < drawn.height


def test_a_routine_of_which_work_waits_is_not_completed() -> None:
    """Its latest attempt was, and nothing of it runs: it is pending."""
    states = {
        name: {"status": status, "completed": 3}
        for name, status in {"spread": "completed", "one": "completed", "two": "failed"}.items()
    }
    waiting = WorkPlaces(0, {"queued": 2})
    work = JobWork({"spread": WorkPlaces(), "one": waiting, "two": waiting}, [])
    shown = {name: state["status"] for name, state in standing(states, work).items()}
    assert shown == {"spread": "completed", "one": "pending", "two": "failed"}
    assert standing(states, None) == states
