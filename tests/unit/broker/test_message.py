"""Where messages go, and what the stored form of a definition holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery import Celery

from flowforge.broker.message import message_template
from flowforge.broker.routing import Router
from flowforge.model.flow import FlowGraph
from flowforge.model.join import Join
from flowforge.model.routine import Routine
from tests.unit.execution.samples import Sink, Worker


@pytest.fixture
def app() -> Celery:
    app = Celery("a", broker="redis://localhost", set_as_current=False)
    app.conf.task_default_queue = "usual"
    app.conf.task_routes = {"tests.unit.execution.samples.Sink": {"queue": "sinks"}}
    return app


def test_a_routines_own_queue_wins(app: Celery) -> None:
    """Then the app's routes, then its default."""
    router = Router(app)
    sink = "tests.unit.execution.samples.Sink"
    assert router.queue(sink, "mine") == "mine"
    assert router.queue(sink, None) == "sinks"
    assert router.queue("x.Other", None) == "usual"


@pytest.mark.parametrize(
    ("priority", "suffix"),
    [(0, ""), (2, ""), (3, "\x06\x163"), (5, "\x06\x163"), (6, "\x06\x166"), (9, "\x06\x169")],
)
def test_a_priority_is_rounded_down_to_a_step(app: Celery, priority: int, suffix: str) -> None:
    """kombu serves one list a step."""
    assert Router(app).suffix(priority) == suffix


def test_lists_are_in_the_order_of_priority(app: Celery) -> None:
    """The most urgent first, with the app's prefix and separator."""
    app.conf.broker_transport_options = {
        "priority_steps": [0, 5], "sep": "|", "global_keyprefix": "p:",
    }  # fmt: skip
    assert list(Router(app).lists("q")) == ["p:q", "p:q|5"]


def test_the_stored_form_has_a_route_for_every_slot(app: Celery) -> None:
    """JSON, a list for each routine, a template for each slot."""
    flow = FlowGraph("f")
    flow.add_routine(Sink(), "sink", queue="mine")
    flow.add_routine(Worker(), "worker")
    app.conf.broker_transport_options = {"global_keyprefix": "p:"}
    definition = flow.definition()
    fields = Router(app).fields(definition)
    assert json.loads(str(fields["json"])) == definition.serialize()
    assert (fields["q0"], fields["q1"]) == ("p:mine", "p:usual")
    slots = [len(spec.slot_names) for spec in definition.routines]
    names = {f"m{r}.{s}" for r, count in enumerate(slots) for s in range(count)}
    assert {"json", "q0", "q1", *names} <= set(fields)
    assert "joins" not in fields
    assert '"routing_key": "mine"' in str(fields["m0.0"])


def test_a_template_has_its_holes() -> None:
    """Job, tag, number, push and priority are filled in by the scripts; nothing else is."""
    template = message_template("t", "q", "s")
    assert [template.count(hole) for hole in "\x01\x02\x03\x04\x05"] == [6, 1, 3, 1, 1]
    filled = template
    for hole, value in zip("\x01\x02\x03\x04\x05", ("j", "1.0.0", "1", "9", "3"), strict=True):
        filled = filled.replace(hole, value)
    message = json.loads(filled)
    assert message["properties"]["priority"] == 3
    assert message["properties"]["delivery_tag"] == "j-1-9"


@pytest.mark.parametrize(
    "name", ["@job@", "@invocation@", "@number@", "@push@", '"@priority@"', "%1", "~slot~"]
)
def test_a_name_that_looks_like_a_hole_is_a_name(name: str) -> None:
    """Names of slots and queues are the user's."""
    template = message_template("t", name, name)
    message = json.loads(template.replace("\x05", "0"), strict=False)
    assert message["properties"]["delivery_info"]["routing_key"] == name
    assert message["headers"]["argsrepr"] == f"(\x01, {name})"


class Joins(Routine):
    """A slot for each kind of join."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("all", self.take, join=Join.all(timeout=1.5, otherwise="fire"))
        self.define_slot("count", self.take, join=Join.count(2))
        self.define_slot("plain", self.take)
        self.define_event("output")

    def take(self, items: Any) -> None:
        """Take anything."""


def test_the_stored_form_has_a_rule_for_every_join(app: Celery) -> None:
    """Kind, timeout, otherwise and the routines above, of which those in a row are one."""
    flow = FlowGraph("f")
    for number in range(4):
        flow.add_routine(Joins(), f"r{number}")
    flow.connect("r0", "output", "r1", "plain")
    flow.connect("r1", "output", "r3", "all")
    flow.connect("r2", "output", "r2", "all")
    fields = Router(app).fields(flow.definition())
    assert fields["joins"] == 8
    assert [fields[f"j{number}.0"] for number in range(4)] == [
        "all 1500 fire -", "all 1500 fire 0", "quiet 1500 fire 2", "all 1500 fire 0-1",
    ]  # fmt: skip
    assert fields["j3.1"] == "count 0 fail 0-1"
    assert "j3.2" not in fields
