"""Whether params fit the slot that a connection or an operator sends them to."""

from __future__ import annotations

import pytest

from flowforge.errors import ArgumentError, DefinitionError, EmissionError
from flowforge.model import registry
from flowforge.model.definition import Definition
from flowforge.model.flow import FlowGraph
from flowforge.model.handler_params import HandlerParam, HandlerParams, ParamKind
from flowforge.model.param_checks import check_changed, check_emitted
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


# --- params that an operator names -------------------------------------------------------------


def orders() -> Definition:
    flow = FlowGraph("orders")
    flow.add_routine(Fetch, "fetch")
    flow.add_routine(Charge, "charge")
    flow.connect("fetch", "output", "charge", "input", {"id": "order_id"})
    flow.connect("fetch", "output", "charge", "total", {"id": "number"})
    return flow.definition()


ORDERS = orders()


def check(
    slot: str,
    had: list[str] | None,
    given: dict[str, object],
    *,
    new_params: bool = False,
    told: HandlerParams | None = None,
) -> None:
    routine = ORDERS.index("charge")
    place = (routine, ORDERS.slot_names(routine).index(slot))
    params = {**dict.fromkeys(had or ()), **given}
    check_changed(
        ORDERS, place, had, given, params, "params of it", told=told, new_params=new_params
    )


def test_a_param_that_the_handler_cannot_take_is_refused_always() -> None:
    """With the close match; to insist does not help."""
    for new_params in (False, True):
        with pytest.raises(ArgumentError) as caught:
            check("input", ["order_id", "amount"], {"amout": 1}, new_params=new_params)
        text = str(caught.value)
        assert text.startswith("charge.input does not take the param 'amout'; it takes: 'order_id'")
        assert text.endswith(". Did you mean 'amount'?")


def test_where_the_handler_is_unknown_a_new_name_needs_new_params(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Known are the params that are there, and those that events declare which lead there."""
    monkeypatch.setattr(registry, "known", dict)
    check("input", ["note"], {"note": 1, "order_id": 2, "amount": 3})
    check("total", [], {"number": 1})
    with pytest.raises(ArgumentError) as caught:
        check("input", ["note"], {"amout": 1})
    assert str(caught.value) == (
        "params of it: there is no param 'amout'; known: 'note', 'card', 'amount', 'order_id'. "
        "Did you mean 'amount'? To add it, give new_params=True"
    )
    with pytest.raises(ArgumentError, match=r"'xyz'; known: .*'order_id'\. To add"):
        check("input", [], {"xyz": 1})
    check("input", ["note"], {"amout": 1}, new_params=True)
    check("input", None, {"amout": 1})


def test_what_workers_say_of_the_handler_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the params are not kept, unless the handler takes any."""
    monkeypatch.setattr(registry, "known", dict)
    closed = HandlerParams([HandlerParam("region", ParamKind.TEXT, False)], False)
    check("input", [], {"region": "eu"}, told=closed)
    check("input", None, {"region": "eu"}, told=closed)
    with pytest.raises(ArgumentError, match=r"no param 'regoin'.*Did you mean 'region'"):
        check("input", None, {"regoin": "eu"}, told=closed)
    check("input", None, {"regoin": "eu"}, told=closed, new_params=True)
    check("input", None, {"regoin": "eu"}, told=HandlerParams([], True))


def test_a_slot_that_takes_any_param_asks_for_new_params_too() -> None:
    """A sole parameter that may be all params tells nothing of their names."""
    with pytest.raises(ArgumentError, match=r"no param 'amout'.*Did you mean 'amount'"):
        check("all", ["amount"], {"amout": 1})
    check("all", ["amount"], {"amout": 1}, new_params=True)


def test_an_error_stays_short_whatever_the_names_are() -> None:
    """Params may have any names, and any number of them."""
    had = [f"{place}" * 1000 for place in range(1000)]
    with pytest.raises(ArgumentError, match=r"and 9[0-9]+ more") as caught:
        check("all", had, {"x" * 100_000: 1})
    assert len(str(caught.value)) < 3000


def test_emissions_have_the_params_that_their_event_declares() -> None:
    """An event that declares none may have any."""
    fetch = ORDERS.routines[0]
    check_emitted(fetch, "output", ["id"], new_params=False)
    check_emitted(fetch, "missing", ["anything"], new_params=False)
    with pytest.raises(EmissionError) as caught:
        check_emitted(fetch, "output", ["id", "amout"], new_params=False)
    assert (
        "event 'output' of routine 'fetch' does not declare the param 'amout'; it declares: 'id', "
        "'amount'. Did you mean 'amount'? To send it"
    ) in str(caught.value)
    check_emitted(fetch, "output", ["amout"], new_params=True)
