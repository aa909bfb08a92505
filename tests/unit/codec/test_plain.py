"""Values as plain JSON."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from flowforge.codec.plain import plain, to_json


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (0.5, 0.5),
        ("naïve", "naïve"),
        (b"\x00\xff", "AP8="),
        ((1, (2, 3)), [1, [2, 3]]),
        ({3, 1, 2}, [1, 2, 3]),
        (datetime(2013, 1, 1, 12, tzinfo=UTC), "2013-01-01T12:00:00+00:00"),
        (date(2013, 1, 1), "2013-01-01"),
        (Decimal("1.50"), "1.50"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ({1: "one", None: "none", (1, 2): "pair"}, {"1": "one", "null": "none", "[1, 2]": "pair"}),
        ({date(2013, 1, 1): 1}, {"2013-01-01": 1}),
    ],
)
def test_plain(value: Any, expected: Any) -> None:
    """Every type that a payload may hold has a plain JSON form."""
    assert plain(value) == expected
    assert json.loads(to_json(value)) == expected


def test_keys_that_would_clash() -> None:
    """A dict whose keys differ by their type alone becomes a list of pairs and loses nothing."""
    assert plain({1: "int", "1": "text"}) == [[1, "int"], ["1", "text"]]


def test_a_huge_int_is_readable() -> None:
    """An int with more digits than Python prints is given in hexadecimal."""
    assert int(json.loads(to_json(10**5000)), 16) == 10**5000


def test_the_deepest_payload() -> None:
    """What is nested as deeply as a payload may be is printed, indented or not."""
    value: Any = 1
    for level in range(500):
        value = [value] if level % 2 else {"k": value}
    assert to_json(value).count("[") == 250
    assert to_json(value, 2).count("[") == 250


def test_json_is_ascii() -> None:
    """The output passes through a terminal of any encoding, lone surrogates included."""
    assert to_json("é\ud800\x1b").isascii()
