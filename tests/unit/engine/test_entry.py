"""Where jobs enter a flow: params become the first invocation's record."""

from __future__ import annotations

from typing import Any

import pytest

from flowforge.codec.binary import read_invocation
from flowforge.engine.entry import Entry
from flowforge.errors import PayloadError
from flowforge.model.flow import FlowGraph
from tests.unit.model.samples import Charge


def entry(limit: int = 1000) -> Entry:
    flow = FlowGraph("orders")
    flow.add_routine(Charge(), "charge")
    return Entry(flow.definition(), 0, 0, limit)


def test_params_become_the_first_invocation() -> None:
    """Its parent is nobody: 0."""
    _, record = entry().first({"n": 1})
    assert read_invocation(record, "it") == (0, {"n": 1})


@pytest.mark.parametrize("params", [[1], "x", {1: 2}, 3])
@pytest.mark.parametrize(
    ("place", "name"), [(None, "entry params of"), (137, r"entry_params\[137\] of")]
)
def test_params_are_a_dict_with_text_keys(params: Any, place: int | None, name: str) -> None:
    """The error names the routine, and the place among many."""
    with pytest.raises(PayloadError, match=f"{name} 'charge' must be a dict with text keys"):
        entry().first(params, place)


def test_params_that_cannot_travel_are_told_with_their_place() -> None:
    """As for what is no dict."""
    with pytest.raises(PayloadError, match=r"entry_params\[3\] of 'charge': params\['n'\] is a"):
        entry().first({"n": object()}, 3)
