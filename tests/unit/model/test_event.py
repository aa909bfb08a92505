"""Events."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.errors import CorruptRecordError, DefinitionError
from flowforge.model.event import Event

names = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)


@given(names, st.none() | st.lists(names, max_size=4))
def test_an_event_survives_serialisation(name: str, params: list[str] | None) -> None:
    """Undeclared params (None) and an empty list stay apart."""
    event = Event.of(name, params)
    assert Event.deserialize(json.loads(json.dumps(event.serialize()))) == event


def test_a_bare_string_of_params_is_refused() -> None:
    """``output_params="id"`` would declare i and d."""
    with pytest.raises(DefinitionError, match="event 'done'"):
        Event.of("done", "id")


@pytest.mark.parametrize("record", [{}, {"name": 1}, {"name": "a", "output_params": [1]}, None])
def test_a_malformed_event_is_corrupt(record: object) -> None:
    """A record of another shape is refused."""
    with pytest.raises(CorruptRecordError):
        Event.deserialize(record)  # type: ignore[arg-type]
