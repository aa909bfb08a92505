"""Whether the params of an event fit the slot that a connection sends them to."""

from __future__ import annotations

import pytest

from flowforge.errors import DefinitionError
from flowforge.model.flow import FlowGraph
from tests.unit.model.samples import Charge, Fetch


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (
            {"idd": "order_id"},
            "renames 'idd', which event 'output' does not declare; it declares: 'id', 'amount'",
        ),
        (
            {"id": "oder_id"},
            "sends 'id' as 'oder_id', which the handler does not take; it takes: 'order_id', 'amo",
        ),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_refused(mapping: dict[str, str], message: str) -> None:
    """Where the event declares its params, a misspelt one on either side is seen at once."""
    flow = FlowGraph("orders")
    flow.add_routine(Fetch, "fetch")
    flow.add_routine(Charge, "charge")
    with pytest.raises(DefinitionError) as caught:
        flow.connect("fetch", "output", "charge", "input", mapping)
    assert "fetch.output -> charge.input: param_mapping" in str(caught.value)
    assert message in str(caught.value)
    assert not flow.connections


@pytest.mark.parametrize(
    ("event", "slot", "mapping"),
    [
        ("output", "input", {"id": "order_id"}),
        # The event declares nothing, so anything may come.
        ("missing", "input", {"anything": "else"}),
        # A sole parameter can be all params, and a function can make new names of old ones.
        ("output", "all", {"id": "number"}),
        ("output", "total", {"id": "number"}),
    ],
)
def test_a_mapping_that_may_be_meant_is_not(event: str, slot: str, mapping: dict[str, str]) -> None:
    """What cannot be known is left to the delivery."""
    flow = FlowGraph("orders")
    flow.add_routine(Fetch, "fetch")
    flow.add_routine(Charge, "charge")
    assert flow.connect("fetch", event, "charge", slot, mapping).param_mapping == mapping
