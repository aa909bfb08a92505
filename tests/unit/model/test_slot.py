"""Slots and how deliveries merge."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.errors import (
    CorruptRecordError,
    DefinitionError,
    NotRebuildableError,
    UnknownRoutineClassError,
)
from flowforge.model.routine import bound_to
from flowforge.model.slot import Slot
from tests.unit.model.samples import Charge, Recorder, add_totals, returns_a_list

payloads = st.lists(st.dictionaries(st.sampled_from("abc"), st.integers()), max_size=6)


def test_override_takes_the_latest() -> None:
    """Each delivery stands alone."""
    slot = Slot.of("input", "handle")
    assert slot.merge([{"a": 1}, {"b": 2}]) == {"b": 2}
    assert slot.merge([]) == {}
    assert not slot.merges


@given(payloads)
def test_append_makes_a_list_per_key(values: list[dict[str, int]]) -> None:
    """Every value that was sent under a key is in its list, in order."""
    expected: dict[str, list[int]] = {}
    for key in "abc":
        sent = [payload[key] for payload in values if key in payload]
        if sent:
            expected[key] = sent
    assert Slot.of("input", "handle", "append").merge(values) == expected


@given(payloads)
def test_append_leaves_payloads_alone(values: list[dict[str, int]]) -> None:
    """Merging again gives the same, since no payload was changed."""
    slot = Slot.of("input", "handle", "append")
    assert slot.merge(values) == slot.merge(values)


def test_a_function_folds_from_nothing() -> None:
    """The first call gets an empty dict as old value."""
    slot = Slot.of("total", "handle", add_totals)
    assert slot.merge([{"amount": 2}, {"amount": 3}]) == {"total": 5}
    assert slot.merges


def test_a_function_must_return_a_dict() -> None:
    """The error names the function, the slot and what came back."""
    slot = Slot.of("total", "handle", returns_a_list)
    with pytest.raises(DefinitionError, match=r"samples:returns_a_list of slot 'total'.*not list"):
        slot.merge([{"a": 1}])


@pytest.mark.parametrize("strategy", ["replace", "APPEND", "", None, 3])
def test_an_unknown_strategy_is_refused(strategy: Any) -> None:
    """ValueError lists the known ones."""
    with pytest.raises(DefinitionError, match="known: 'override', 'append'"):
        Slot.of("input", "handle", strategy)


@pytest.mark.parametrize(
    "strategy",
    [lambda old, new: new, functools.partial(add_totals), Recorder().slot_data, dict, max],
    ids=["lambda", "partial", "method", "class", "builtin"],
)
def test_a_merge_function_must_be_importable(strategy: Any) -> None:
    """What a worker cannot find by name is refused, with what to do."""
    with pytest.raises(NotRebuildableError, match=r"slot 'input'.*with def at the top level"):
        Slot.of("input", "handle", strategy)


@pytest.mark.parametrize("strategy", ["override", "append", add_totals])
def test_a_slot_survives_serialisation(strategy: Any) -> None:
    """Handler name, strategy and secrets come back."""
    slot = Slot.of("input", "handle", strategy, ["card", "pin"])
    assert Slot.deserialize(json.loads(json.dumps(slot.serialize()))) == slot


@pytest.mark.parametrize("address", ["shop.merging:add", "builtins:exec", "subprocess:Popen"])
def test_a_stored_strategy_is_only_ever_an_imported_function(address: str) -> None:
    """Nothing is imported, and a record cannot name a class or a builtin."""
    record = {**Slot.of("input", "handle").serialize(), "merge_strategy": address}
    with pytest.raises(UnknownRoutineClassError) as caught:
        Slot.deserialize(record)
    assert repr(address) in str(caught.value)


@pytest.mark.parametrize("change", [{"name": 1}, {"handler": None}, {"secret": "card"}])
def test_a_malformed_slot_is_corrupt(change: dict[str, object]) -> None:
    """A stored slot of another shape is refused."""
    with pytest.raises(CorruptRecordError):
        Slot.deserialize({**Slot.of("input", "handle").serialize(), **change})


def test_call_is_no_slot_name() -> None:
    """``__call__`` is how an overridden call appears among slots, so no slot takes the name."""
    with pytest.raises(DefinitionError, match="override __call__ instead"):
        Slot.of("__call__", "handle")


def test_the_handler_belongs_to_the_routine_it_was_asked_of() -> None:
    """A bound copy's slot leads to the copy's method, not to the prototype's."""
    prototype = Charge()
    bound = bound_to(prototype, Recorder())
    ours, theirs = prototype.get_slot("input"), bound.get_slot("input")
    assert ours is not None
    assert theirs is not None
    assert ours.handler == prototype.charge
    assert theirs.handler == bound.charge
    assert ours == theirs
