"""Connections and the mapping of params."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.errors import CorruptRecordError, DefinitionError
from flowforge.model.connection import Connection

names = st.sampled_from("abcdef")
payloads = st.dictionaries(names, st.integers())
#: No two sources may share a target, so targets are the keys here.
mappings = st.dictionaries(names, names).map(
    lambda sources: {source: target for target, source in sources.items()}
)


def connection(mapping: Any = None) -> Connection:
    return Connection("fetch", "output", "charge", "input", {} if mapping is None else mapping)


def test_a_delay_is_part_of_the_record() -> None:
    """A connection without one has the record that it always had."""
    delayed = Connection("fetch", "output", "charge", "input", {}, 1500)
    assert Connection.deserialize(delayed.serialize()) == delayed
    assert Connection.deserialize(connection().serialize()).delay_ms == 0
    assert delayed.serialize() == {**connection().serialize(), "delay_ms": 1500}


def test_without_a_mapping_params_pass_untouched() -> None:
    """The common case copies nothing."""
    params = {"a": 1}
    assert connection().apply(params) is params


@pytest.mark.parametrize(
    ("mapping", "params", "received"),
    [
        ({"id": "order_id"}, {"id": 1, "amount": 2}, {"order_id": 1, "amount": 2}),
        ({"gone": "x"}, {"a": 1}, {"a": 1}),
        ({"a": "b", "b": "a"}, {"a": 1, "b": 2}, {"a": 2, "b": 1}),
        ({"a": "b"}, {"a": 1, "b": 2}, {"b": 1}),
        ({"a": "b", "b": "c"}, {"a": 1, "b": 2}, {"b": 1, "c": 2}),
        ({"a": "a"}, {"a": 1}, {"a": 1}),
        ({"a": "b"}, {}, {}),
    ],
    ids=["moves", "absent", "swaps", "mapped beats unmapped", "chain", "identity", "empty"],
)
def test_mapping_renames(
    mapping: dict[str, str], params: dict[str, int], received: dict[str, int]
) -> None:
    """Mapped keys move, others pass, absent ones are ignored, and a mapped name wins."""
    assert connection(mapping).apply(params) == received


@given(mappings, payloads)
def test_every_received_param_has_one_origin(
    mapping: dict[str, str], params: dict[str, int]
) -> None:
    """A received name holds the value mapped to it, else its own unmapped one, and nothing else."""
    sources = {target: source for source, target in mapping.items() if source in params}
    passing = {name for name in params if name not in mapping}
    expected = {
        name: params[sources[name]] if name in sources else params[name]
        for name in sources.keys() | passing
    }
    assert connection(mapping).apply(params) == expected


@given(mappings, payloads)
def test_mapping_leaves_the_emitted_params_alone(
    mapping: dict[str, str], params: dict[str, int]
) -> None:
    """One emission feeds several connections, so none may change it."""
    before = dict(params)
    connection(mapping).apply(params)
    assert params == before


@given(mappings)
def test_a_connection_survives_serialisation(mapping: dict[str, str]) -> None:
    """Through JSON and back it is equal, and equal connections hash alike."""
    made = connection(mapping)
    again = Connection.deserialize(json.loads(json.dumps(made.serialize())))
    assert again == made
    assert hash(again) == hash(made)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"a": "x", "b": "x"}, "both 'a' and 'b' to 'x'"),
        ({"a": 1}, "'a': 1; both must be param names"),
        ({1: "a"}, "1: 'a'"),
        ({"a": ""}, "'a': ''"),
        ([("a", "b")], "must be a dict"),
    ],
)
def test_a_bad_mapping_is_refused(mapping: object, message: str) -> None:
    """ValueError names the connection and the pair that is wrong."""
    with pytest.raises(DefinitionError) as caught:
        connection(mapping)
    assert "fetch.output -> charge.input" in str(caught.value)
    assert message in str(caught.value)


def test_the_mapping_is_the_connections_own() -> None:
    """Changing the dict that was passed changes no connection."""
    mapping = {"a": "b"}
    made = connection(mapping)
    mapping["a"] = "c"
    assert made.apply({"a": 1}) == {"b": 1}


@pytest.mark.parametrize(
    "change", [{"source_event": 1}, {"param_mapping": {"a": 1}}, {"param_mapping": None}]
)
def test_a_malformed_connection_is_corrupt(change: dict[str, object]) -> None:
    """A stored connection of another shape is refused."""
    with pytest.raises(CorruptRecordError):
        Connection.deserialize({**connection().serialize(), **change})
