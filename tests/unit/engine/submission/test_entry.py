"""Where jobs enter a flow: params become the first invocation's record."""

from __future__ import annotations

from typing import Any

import pytest

from flowforge.codec.binary import packb, read_invocation, read_kept, split_trace
from flowforge.engine.submission.entry import KEPT_PARAMS, Entry
from flowforge.errors import PayloadError
from flowforge.model.flow import FlowGraph
from flowforge.store.transitions.submission import LARGE_PARAMS, NO_PARAMS, SAME_PARAMS
from tests.unit.model.samples import Charge


def entry(limit: int = 1000, trace: bytes = b"") -> Entry:
    flow = FlowGraph("orders")
    flow.add_routine(Charge(), "charge")
    return Entry(flow.definition(), 0, 0, limit, trace)


def test_params_become_the_first_invocation() -> None:
    """Its parent is nobody: 0."""
    first = entry().first({"n": 1})
    assert read_invocation(first.record, "it") == (0, {"n": 1})


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


def test_what_is_kept_of_the_params() -> None:
    """They as a whole, those that are no secret, or that they are too large."""
    secret = entry(100_000)
    assert secret.first(None).params == NO_PARAMS
    assert secret.first({"n": 1}).params == SAME_PARAMS
    kept = secret.first({"n": 1, "card": "4711"}).params
    assert read_invocation(kept, "it") == (0, {"n": 1, "card": "***"})
    assert secret.first({"n": "x" * KEPT_PARAMS}).params == LARGE_PARAMS


def test_what_is_kept_names_the_trace() -> None:
    """Also of params that are empty or too large; the first invocation carries it."""
    trace = packb(["00-trace"])
    traced = entry(100_000, trace)
    for params in (None, {"n": 1}):
        first = traced.first(params)
        assert split_trace(first.record) == (entry().first(params).record, trace)
        assert first.params == SAME_PARAMS
    kept = traced.first({"n": 1, "card": "4711"}).params
    assert read_kept(kept, "it") == {"n": 1, "card": "***"}
    assert split_trace(kept)[1] == trace
    large = traced.first({"n": "x" * KEPT_PARAMS}).params
    assert read_kept(large, "it") is None
    assert split_trace(large)[1] == trace
