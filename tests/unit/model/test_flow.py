"""Graphs of routines."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from itertools import count
from pickle import dumps, loads
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.errors import CorruptRecordError, DefinitionError, NotRebuildableError
from flowforge.model.connection import Connection
from flowforge.model.flow import FlowGraph
from flowforge.model.routine import Routine
from tests.unit.model.samples import Attributes, Called, Charge, Fetch, orders


class Triggered(Routine):
    """Several slots, one of them the trigger."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", self.handle)
        self.define_slot("trigger", self.handle)

    def handle(self, data: Any) -> None:
        """Take anything."""


class Source(Routine):
    """No slot at all."""


def test_ids_are_generated_when_left_out() -> None:
    """A flow id is unique; routine ids follow from class names and order."""
    flow = FlowGraph()
    assert flow.flow_id.startswith("flow-")
    assert flow.flow_id != FlowGraph().flow_id
    assert [flow.add_routine(r) for r in (Charge(), Fetch(), Charge(), Charge)] == [
        "charge", "fetch", "charge_2", "charge_3",
    ]  # fmt: skip


def test_a_generated_id_avoids_chosen_ones() -> None:
    """An id that a user took is skipped."""
    flow = FlowGraph()
    flow.add_routine(Fetch(), "charge")
    assert flow.add_routine(Charge()) == "charge_2"


def test_one_object_may_be_added_twice() -> None:
    """Two ids may share an object; one id may not be taken twice."""
    flow, charge = FlowGraph("f"), Charge()
    flow.add_routine(charge, "a")
    flow.add_routine(charge, "b")
    assert flow.routines == {"a": charge, "b": charge}
    with pytest.raises(DefinitionError, match="flow 'f' already has a routine 'a'"):
        flow.add_routine(charge, "a")


@pytest.mark.parametrize("thing", [object(), object, "charge", None])
def test_only_routines_are_added(thing: Any) -> None:
    """Anything else is refused by what it is."""
    with pytest.raises(DefinitionError, match="a Routine is needed"):
        FlowGraph().add_routine(thing)


def test_a_refused_routine_leaves_the_flow_as_it_was() -> None:
    """What cannot be rebuilt is refused before anything changes."""
    flow, routine = FlowGraph(), Attributes()
    routine.rate = 9
    with pytest.raises(NotRebuildableError):
        flow.add_routine(routine)
    assert flow.routines == {}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"flow_id": ""}, "flow_id must not be empty"),
        ({"flow_id": "a\n"}, "control characters"),
        ({"max_in_flight": 0}, "max_in_flight must be a whole number >= 1, not 0"),
        ({"max_in_flight": "5"}, "max_in_flight"),
    ],
)
def test_a_bad_flow_is_refused(values: dict[str, Any], message: str) -> None:
    """Ids and limits are checked when they are given."""
    with pytest.raises(DefinitionError, match=message):
        FlowGraph(**values)


@pytest.mark.parametrize("values", [{"routine_id": ""}, {"routine_id": 3}, {"queue": ""}])
def test_bad_names_of_a_routine_are_refused(values: dict[str, Any]) -> None:
    """An empty id or queue is no request for the default."""
    flow = FlowGraph()
    with pytest.raises(DefinitionError):
        flow.add_routine(Charge(), **values)
    assert flow.routines == {}


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        (("gone", "output", "charge", "input"), "source_routine_id: flow 'orders' has no routine"),
        (("fetch", "output", "gone", "input"), "target_routine_id: flow 'orders' has no routine"),
        (("fetch", "gone", "charge", "input"), "'fetch' has no event 'gone'; it has: 'output'"),
        (("fetch", "output", "charge", "gone"), "'charge' has no slot 'gone'; it has: 'input'"),
        (("fetch", "output", "charge", "__call__"), "no slot '__call__'"),
        (("fetch", "output", "charge", "input"), "fetch.output -> charge.input is connected"),
    ],
)
def test_a_wrong_connection_is_refused(ends: tuple[str, str, str, str], message: str) -> None:
    """ValueError names what is unknown and what there is; the same pair twice is refused."""
    flow = orders()
    with pytest.raises(DefinitionError) as caught:
        flow.connect(*ends)
    assert message in str(caught.value)
    assert len(flow.connections) == 2


def test_connect_returns_the_connection() -> None:
    """Fan-out, cycles and self-connections are allowed."""
    flow = orders()
    connection = flow.connect(
        source_routine_id="fetch",
        source_event="output",
        target_routine_id="fetch",
        target_slot="input",
        param_mapping={"id": "day"},
    )
    assert flow.connections[-1] is connection


@pytest.mark.parametrize(
    ("routine", "slot"), [(Called, "__call__"), (Triggered, "trigger"), (Fetch, "input")]
)
def test_a_job_enters_at_the_slot_the_routine_suggests(routine: type[Routine], slot: str) -> None:
    """Its own ``__call__``, else the slot ``trigger``, else its only slot."""
    flow = FlowGraph()
    assert flow.entry_slot(flow.add_routine(routine)) == slot


@pytest.mark.parametrize("routine", [Charge, Source])
def test_an_unclear_entry_is_refused(routine: type[Routine]) -> None:
    """Several slots, or none, suggest no entry; the error says what would."""
    flow = FlowGraph()
    flow.add_routine(routine, "r")
    with pytest.raises(DefinitionError, match=r"'r' cannot start a job.*Override __call__"):
        flow.entry_slot("r")


def test_an_unknown_entry_is_refused() -> None:
    """ValueError lists the routines there are."""
    with pytest.raises(DefinitionError, match="no routine 'gone'; it has: 'fetch', 'charge'"):
        orders().entry_slot("gone")


def test_an_unchanged_flow_has_one_definition() -> None:
    """Nothing is computed again until something changes, for every set of queues."""
    flow = orders()
    plain, queued = flow.definition(), flow.definition({"fetch": "fast"})
    assert flow.definition() is plain
    assert flow.definition({"fetch": "fast"}) is queued
    assert queued.hash != plain.hash


def test_every_change_makes_a_new_definition() -> None:
    """The flow's changes count, and so do changes of a routine after it was added."""
    flow = orders()
    hashes = {flow.definition().hash}
    changes: list[Any] = [
        lambda: flow.add_routine(Fetch(), "again"),
        lambda: flow.connect("again", "output", "charge", "input"),
        lambda: flow.set_error_handler(None),
        lambda: flow.routines["fetch"].set_config(day=1),
        lambda: flow.routines["fetch"].define_event("late"),
        flow.routines["charge"].set_as_optional,
        lambda: setattr(flow.routines["fetch"], "queue", "slow"),
        lambda: setattr(flow, "max_in_flight", 9),
    ]
    for change in changes:
        change()
        hashes.add(flow.definition().hash)
    assert len(hashes) == len(changes) + 1


def test_attributes_set_after_adding_are_refused_too() -> None:
    """They would be lost on the way to a worker, whenever they were set."""
    flow, routine = FlowGraph(), Attributes()
    flow.add_routine(routine)
    routine.rate = 9
    with pytest.raises(NotRebuildableError, match="'rate'"):
        flow.definition()


def test_queues_by_precedence() -> None:
    """The caller's queues win over ``add_routine(queue=)``, and that over the routine's own."""
    flow, routine = FlowGraph(), Charge()
    routine.queue = "own"
    flow.add_routine(routine, "plain")
    flow.add_routine(routine, "added", queue="flows")
    flow.add_routine(Fetch(), "none")

    def queues(asked: dict[str, str | None] | None = None) -> list[str | None]:
        return [spec.queue for spec in flow.definition(asked).routines]

    assert queues() == ["own", "flows", None]
    assert queues({"plain": "p", "added": "a", "none": None}) == ["p", "a", None]


def test_a_flow_survives_serialisation() -> None:
    """Through JSON and back the flow has the same definition and can grow further."""
    flow = orders()
    flow.routines["charge"].set_config(rate=0.2)
    again = FlowGraph.deserialize(json.loads(json.dumps(flow.serialize())))
    assert again.definition().hash == flow.definition().hash
    assert again.get_error_handler() == flow.get_error_handler()
    again.connect("fetch", "missing", "charge", "input")
    assert len(flow.connections) == 2


def test_deserialising_makes_the_class_it_is_asked_of() -> None:
    """A subclass of the graph comes back as itself."""

    class Special(FlowGraph):
        pass

    assert type(Special.deserialize(orders().serialize())) is Special


@pytest.mark.parametrize("record", [None, {}, {"version": 1, "flow_id": "x"}])
def test_a_malformed_flow_is_corrupt(record: Any) -> None:
    """A record of another shape is refused."""
    with pytest.raises(CorruptRecordError):
        FlowGraph.deserialize(record)


@given(st.data())
def test_any_graph_survives_serialisation(data: st.DataObject) -> None:
    """Whatever routines are added and connected, the rebuilt flow has the same hash."""
    flow = FlowGraph("f")
    kinds = st.sampled_from([Fetch, Charge, Called])
    ids = [flow.add_routine(kind) for kind in data.draw(st.lists(kinds, min_size=1, max_size=4))]
    ends = [
        (source, event, target, slot)
        for source in ids
        for event in flow.routines[source].events
        for target in ids
        for slot in flow.routines[target].slots
    ]
    mappings = st.dictionaries(st.sampled_from("abc"), st.just("x"), max_size=1)
    for end in data.draw(st.lists(st.sampled_from(ends), unique=True, max_size=5)):
        declared = flow.routines[end[0]].events[end[1]].output_params
        flow.connect(*end, data.draw(mappings) if declared is None else None)
    again = FlowGraph.deserialize(json.loads(json.dumps(flow.serialize())))
    assert again.definition().to_json() == flow.definition().to_json()
    assert list(again.routines) == list(flow.routines)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda it: loads(dumps(it))])  # noqa: S301
def test_a_copy_of_a_flow_is_a_flow_of_its_own(copied: Callable[[FlowGraph], FlowGraph]) -> None:
    """It has the same definition, and what is added to it stays outside the first."""
    flow = orders()
    before = flow.definition()
    again = copied(flow)
    assert again.definition().hash == before.hash
    again.add_routine(Fetch, "another")
    again.connect("another", "missing", "charge", "input")
    assert flow.definition() is before
    assert len(again.definition().routines) == len(before.routines) + 1


def test_a_function_is_no_routine_before_it_is_decorated() -> None:
    """The error names the decorator."""

    def price(n: int) -> None: ...

    function: Any = price
    with pytest.raises(DefinitionError, match="decorate it with @routine"):
        FlowGraph().add_routine(function)


def test_a_large_flow_is_connected_without_a_look_at_every_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is connected already is known by its ends."""
    texts = count()
    text_of = Connection.__str__

    def counted(self: Connection) -> str:
        next(texts)
        return text_of(self)

    monkeypatch.setattr(Connection, "__str__", counted)
    flow = FlowGraph("large")
    ids = [flow.add_routine(Fetch(), f"r{n}") for n in range(20)]
    for source in ids:
        for target in ids:
            flow.connect(source, "missing", target, "input")
    assert len(flow.connections) == 400
    assert next(texts) <= 4 * 400
    with pytest.raises(DefinitionError, match="connected already"):
        flow.connect("r7", "missing", "r3", "input")
