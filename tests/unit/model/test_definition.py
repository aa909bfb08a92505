"""Flows as data."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.errors import CorruptRecordError, DefinitionError, NewerRecordError
from flowforge.model.definition import DEFINITION_VERSION, Definition
from flowforge.model.flow import FlowGraph
from flowforge.model.invocation_id import InvocationName
from tests.unit.model.samples import Called, Charge, Fetch, orders

ROOT = Path(__file__).parents[3]

PROGRAM = """
from tests.unit.model.samples import orders
print(orders().definition().hash)
"""


def test_the_hash_is_of_the_content() -> None:
    """Two flows written alike have one hash of 32 hexadecimal digits."""
    definition = orders().definition()
    assert orders().definition().hash == definition.hash
    assert orders().definition() == definition
    assert len(definition.hash) == 32
    assert int(definition.hash, 16) >= 0


def test_the_hash_is_the_same_in_every_process() -> None:
    """Another interpreter, with another hash seed, gets the same one."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == orders().definition().hash


def test_the_text_is_canonical() -> None:
    """ASCII, sorted keys and no blanks, so that equal content is equal text."""
    flow = FlowGraph("Bestellung für 注文")
    flow.add_routine(Fetch)
    text = flow.definition().to_json()
    assert text.isascii()
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


def test_a_definition_survives_storage() -> None:
    """What is read back is equal, text and hash included."""
    definition = orders().definition()
    again = Definition.from_json(definition.to_json().encode())
    assert again == definition
    assert hash(again) == hash(definition)
    assert (again.hash, again.to_json()) == (definition.hash, definition.to_json())


@pytest.mark.attack(what="A definition that was changed under its hash")
def test_a_stored_definition_has_the_hash_that_it_is_stored_under() -> None:
    """Workers refuse the definition, so no job runs it."""
    definition = orders().definition()
    text = definition.to_json()
    assert Definition.stored(definition.hash, text.encode()) == definition
    changed = text.replace('"queue":"billing"', '"queue":"others"')
    assert changed != text
    with pytest.raises(CorruptRecordError, match="changed in the store: cancel its jobs"):
        Definition.stored(definition.hash, changed.encode())


def test_a_definition_of_an_earlier_release_is_read() -> None:
    """The hash is of the text as it was stored, which may lack what is written today."""
    record = json.loads(orders().definition().to_json())
    del record["max_in_flight"]
    text = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
    name = hashlib.sha256(text).hexdigest()[:32]
    assert Definition.stored(name, text).max_in_flight is None


def test_a_definition_needs_no_classes() -> None:
    """A dashboard reads ids, classes, queues and slots of classes that it cannot import."""
    text = orders().definition().to_json().replace("tests.unit.model.samples", "shop")
    definition = Definition.from_json(text)
    assert [(s.id, s.class_name, s.queue) for s in definition.routines] == [
        ("fetch", "shop.Fetch", None),
        ("charge", "shop.Charge", "billing"),
    ]
    assert definition.slot_names(1) == ("input", "all", "total")
    assert definition.max_in_flight == 50
    assert definition.error_handler is not None


def test_indexes_follow_the_order_of_addition() -> None:
    """The index of a routine is its position; an unknown id is named."""
    definition = orders().definition()
    assert (definition.index("fetch"), definition.index("charge")) == (0, 1)
    with pytest.raises(DefinitionError, match="no routine 'gone'; it has: 'fetch', 'charge'"):
        definition.index("gone")


def test_an_invocation_has_a_place() -> None:
    """Routine and slot by name; the end of a child job comes to a slot that no routine defines."""
    definition = orders().definition()
    assert definition.place_of(InvocationName.parse("7.1.1.3")) == ("charge", "all")
    assert definition.place_of(InvocationName.parse("7.0.99999")) == ("fetch", "child job")


@pytest.mark.parametrize("place", ["2.0", "-1.0", "2.99999", "0.1", "0.-1"])
def test_an_index_out_of_range_is_corrupt(place: str) -> None:
    """Negative indexes do not count from the end."""
    with pytest.raises(CorruptRecordError, match=r"flow 'orders'.* none of index"):
        orders().definition().place_of(InvocationName.parse(f"1.{place}"))


def test_call_is_the_last_slot() -> None:
    """An overridden ``__call__`` has an index, after the slots."""
    flow = FlowGraph()
    flow.add_routine(Called)
    assert flow.definition().slot_names(0) == ("input", "__call__")


def test_modes_say_what_the_store_keeps() -> None:
    """Merging slots keep all, slots beside others the latest, others nothing."""
    flow = FlowGraph()
    for cls in (Charge, Fetch, Called):
        flow.add_routine(cls)
    definition = flow.definition()
    assert [definition.mode(0, slot) for slot in range(3)] == ["o", "m", "m"]
    assert definition.mode(1, 0) == ""
    assert [definition.mode(2, slot) for slot in range(2)] == ["o", ""]


def test_a_delay_is_not_for_releases_that_know_none() -> None:
    """They would deliver at once: the version keeps them from such a flow, and from no other."""
    flow = orders()
    assert flow.serialize()["version"] == 1
    flow.connect("charge", "charged", "fetch", "input", delay=timedelta(minutes=1))
    assert flow.serialize()["version"] == 2
    record = Definition.from_json(flow.definition().to_json())
    assert record.connections[-1].delay_ms == 60_000
    with pytest.raises(ValueError, match="delay must be from 0 seconds"):
        flow.connect("charge", "charged", "charge", "input", delay=-1)


def test_a_newer_version_is_not_guessed_at() -> None:
    """A record of a later FlowForge says that this process is to be upgraded."""
    record = {**orders().serialize(), "version": DEFINITION_VERSION + 1}
    with pytest.raises(NewerRecordError, match="upgrade"):
        Definition.from_json(json.dumps(record))


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "3", b"\xff", "[" * 100_000])
def test_what_is_no_record_is_corrupt(text: str | bytes) -> None:
    """No text makes reading fail in another way."""
    with pytest.raises(CorruptRecordError):
        Definition.from_json(text)


def _duplicate(record: dict[str, Any]) -> None:
    record["routines"].append(record["routines"][0])


def _duplicate_slot(record: dict[str, Any]) -> None:
    record["routines"][1]["routine"]["slots"] *= 2


def _lost_source(record: dict[str, Any]) -> None:
    record["connections"][0]["source_event"] = "gone"


def _lost_target(record: dict[str, Any]) -> None:
    del record["routines"][1]


def _no_class(record: dict[str, Any]) -> None:
    del record["routines"][0]["routine"]["class"]


def _no_version(record: dict[str, Any]) -> None:
    del record["version"]


def _odd_limit(record: dict[str, Any]) -> None:
    record["max_in_flight"] = "many"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_duplicate, "routine 'fetch' occurs twice"),
        (_duplicate_slot, "routine 'charge': slots 'input' occurs twice"),
        (_lost_source, "fetch.gone -> charge.input starts at an unknown event"),
        (_lost_target, "fetch.output -> charge.input ends at an unknown slot"),
        (_no_class, "routine 'fetch': 'class' must be str"),
        (_no_version, "'version' must be int"),
        (_odd_limit, "'max_in_flight' must be int"),
    ],
)
def test_a_damaged_record_is_corrupt(
    damage: Callable[[dict[str, Any]], None], message: str
) -> None:
    """The error names the part that cannot be."""
    record = json.loads(orders().definition().to_json())
    damage(record)
    with pytest.raises(CorruptRecordError) as caught:
        Definition.from_json(json.dumps(record))
    assert message in str(caught.value)


def test_config_keeps_its_order() -> None:
    """A dict's order may mean something: columns, for one. Everything else has one order."""
    routine = Fetch()
    routine.set_config(columns={"name": 1, "city": 2, "age": 3})
    flow = FlowGraph("f")
    flow.add_routine(routine, "fetch")
    definition = flow.definition()
    again = Definition.from_json(definition.to_json())
    assert list(again.routines[0].raw["config"]["columns"]) == ["name", "city", "age"]
    assert again.hash == definition.hash
    assert list(json.loads(definition.to_json())) == sorted(definition.serialize())


@given(links=st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7))))
def test_upstream_routines_are_what_a_delivery_can_come_from(links: set[tuple[int, int]]) -> None:
    """Over any number of connections, in any order of routines, with or without cycles."""
    flow = FlowGraph("f")
    for number in range(8):
        flow.add_routine(Fetch(), f"r{number}")
    for source, target in links:
        flow.connect(f"r{source}", "output", f"r{target}", "input")
    above: dict[int, set[int]] = {number: set() for number in range(8)}
    for _ in range(8):
        for source, target in links:
            above[target] |= {source} | above[source]
    definition = flow.definition()
    for number in range(8):
        bits = definition.upstream(number)
        assert {bit for bit in range(8) if bits >> bit & 1} == above[number]


def test_kept_inputs_are_part_of_the_definition_only_where_they_are_set() -> None:
    """A flow without them has the hash that it had before there were any."""
    plain, keeping = FlowGraph("f").definition(), FlowGraph("f", keep_inputs=True).definition()
    assert "keep_inputs" not in plain.to_json()
    assert Definition.from_json(keeping.to_json()).keep_inputs
    assert FlowGraph.deserialize(keeping.serialize()).definition() == keeping
    assert not Definition.from_json(plain.to_json()).keep_inputs
    with pytest.raises(DefinitionError, match="keep_inputs must be True or False"):
        FlowGraph("f", keep_inputs="yes")  # type: ignore[arg-type]
