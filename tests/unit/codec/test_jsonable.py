"""Payload values as JSON, for snapshots."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given

from flowforge.codec.jsonable import from_jsonable, to_jsonable
from tests.unit.codec.payloads import same, values


@given(values)
def test_a_value_survives_the_trip_through_json(value: Any) -> None:
    """Every value that a payload may hold keeps its value and its type in JSON text."""
    text = json.dumps(to_jsonable(value), allow_nan=True)
    assert same_instants(from_jsonable(json.loads(text)), value)


def same_instants(one: Any, other: Any) -> bool:
    return same(_plain(one), _plain(other))


def _plain(value: Any) -> Any:
    """Zones as offsets: what ISO text says of them."""
    if isinstance(value, datetime):
        return (value.replace(tzinfo=None, fold=0), value.utcoffset())
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(item) for item in value)
    if isinstance(value, set):
        return {_plain(item) for item in value}
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    return value


@pytest.mark.parametrize("fold", [0, 1])
def test_a_clock_time_that_comes_twice_stays_the_one_it_was(fold: int) -> None:
    """When clocks are set back, both times of the hour that is repeated keep their instant."""
    moment = datetime(2024, 10, 27, 2, 30, fold=fold, tzinfo=ZoneInfo("Europe/Berlin"))
    found = from_jsonable(to_jsonable(moment))
    assert (found.utcoffset(), found.fold) == (moment.utcoffset(), fold)


def test_a_zone_keeps_its_name() -> None:
    """A time in a named zone comes back in that zone, as from a payload."""
    moment = datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    assert same(from_jsonable(to_jsonable(moment)), moment)


@pytest.mark.parametrize(
    "value",
    [
        {"$tuple": [1]}, {"$": 1}, {"$dict": []}, {"$unknown": 1, "a": 2}, {1: 2},
        {"a": {None: ()}}, {"$bytes": "!!"}, {"$datetime": "no time"},
    ],
)  # fmt: skip
def test_a_users_dict_is_not_taken_for_a_marker(value: Any) -> None:
    """Keys that look like markers, and keys that are no text, come back as they were."""
    assert same(from_jsonable(json.loads(json.dumps(to_jsonable(value)))), value)


def test_plain_json_stays_plain() -> None:
    """What JSON has already is not wrapped."""
    value = {"a": [1, 2.5, "x", None, True, {"b": []}]}
    assert to_jsonable(value) == value
