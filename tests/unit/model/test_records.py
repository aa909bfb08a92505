"""Reading records and copying plain values."""

from __future__ import annotations

import json
from enum import IntEnum, StrEnum
from typing import Any

import pytest
from hypothesis import given

from flowforge.errors import CorruptRecordError, DefinitionError
from flowforge.model.records import plain_copy, read, read_list, read_optional
from tests.unit.model.plain_values import plain


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("record", "key", "kind"),
    [
        ({}, "a", str),
        ({"a": 1}, "a", str),
        ({"a": True}, "a", int),
        ([], "a", str),
        (None, "a", int),
    ],
)
def test_a_malformed_record_is_refused(record: object, key: str, kind: type) -> None:
    """What is missing or of the wrong type is named together with the record."""
    with pytest.raises(CorruptRecordError, match="slot 'x'"):
        read(record, key, kind, "slot 'x'")


def test_an_item_of_the_wrong_type_is_named_by_position() -> None:
    """In a list, the error says which item is wrong."""
    with pytest.raises(CorruptRecordError, match=r"names\[1\] must be str"):
        read_list({"names": ["a", 2]}, "names", str, "x")


def test_null_and_absent_are_the_same() -> None:
    """An optional field may be null or left out."""
    assert read_optional({"a": None}, "a", str, "x") is None
    assert read_optional({}, "a", str, "x") is None
    assert read_optional({"a": "b"}, "a", str, "x") == "b"


@given(plain)
def test_a_plain_copy_is_what_json_gives_back(value: Any) -> None:
    """Copying equals a JSON round trip, so that every process sees the same config."""
    assert plain_copy(value, "x") == json.loads(json.dumps(value)) == value


def test_a_plain_copy_shares_nothing() -> None:
    """Changing the original later does not change the copy."""
    original = {"a": [1]}
    copied = plain_copy(original, "x")
    original["a"].append(2)
    assert copied == {"a": [1]}


def test_subclasses_become_their_base() -> None:
    """Tuples and enumerations arrive as what JSON makes of them, here as in a worker."""
    copied = plain_copy({"t": (1, 2), Colour.RED: Colour.RED, "n": Level.HIGH}, "x")
    assert copied == {"t": [1, 2], "red": "red", "n": 3}
    assert {type(copied["red"]), type(copied["n"])} == {str, int}


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (object(), "config 'x'"),
        ({"a": [1, {2, 3}]}, r"config 'x'\['a'\]\[1\]"),
        (float("nan"), "config 'x'"),
        ({"a": {1: "b"}}, r"config 'x'\['a'\] has the key 1"),
        (b"bytes", "config 'x'"),
    ],
)
def test_what_json_cannot_carry_is_named_by_path(value: object, path: str) -> None:
    """The error points at the value inside the structure."""
    with pytest.raises(DefinitionError, match=path):
        plain_copy(value, "config 'x'")


def test_a_value_that_holds_itself_is_refused() -> None:
    """A cycle is an error with a message, not a crash."""
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(DefinitionError, match="holds itself"):
        plain_copy(cycle, "x")
