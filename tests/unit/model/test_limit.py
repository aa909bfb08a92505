"""Limits as users write them, and the keys at which deliveries count."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from celery import Celery

from flowforge import Flow, Limit, Routine, routine
from flowforge.broker.routing import Router
from flowforge.errors import (
    CorruptRecordError,
    DefinitionError,
    EmissionError,
    InvalidValueError,
    Limited,
)
from flowforge.model.definition import DEFINITION_VERSION, TIMED_VERSION, Definition
from flowforge.model.delivery_limits import fixed_keys, keyed_limits
from flowforge.model.limit import LimitSettings, LimitUse, job_limits, limited_mode, read_uses

VENDOR = Limit("unit-vendor", per="customer", running=5, rate=100, period=timedelta(minutes=1))
TOTAL = Limit("unit-total", rate=5)
A, B, Z = (Limit(f"unit-{name}", running=1) for name in "abz")


class Bills(Routine):
    """Two slots, of which one has limits."""

    def __init__(self) -> None:
        self.define_slot("pay", handler=self.pay, limit=[VENDOR, "unit-total"])
        self.define_slot("note", handler=self.note)
        self.define_event("done")

    def pay(self, customer: str) -> None: ...

    def note(self, customer: str) -> None: ...


@routine(limit=VENDOR)
def charge(customer: str) -> None: ...


@routine(limit=[Z, A])
def counted(customer: str) -> None: ...


@routine
def plain() -> None: ...


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "limits nothing: give it running=, rate=, or both"),
        ({"running": -1}, "running of limit 'x' must be a whole number"),
        ({"running": True}, "running of limit 'x' must be a whole number"),
        ({"rate": 1_000_001}, "rate of limit 'x' must be at most"),
        ({"rate": 1, "burst": 0}, "burst of limit 'x' must be a whole number"),
        ({"rate": 1, "period": 0}, "period of limit 'x' must be from 0.001 to"),
        ({"rate": 1, "period": "1s"}, "period of limit 'x' must be seconds, not '1s'"),
        ({"running": 1, "when_full": "queue"}, "when_full of limit 'x' must be of"),
        ({"running": 1, "hold": "job"}, "hold of limit 'x' must be of"),
        ({"running": 1, "per": ""}, "per of limit 'x'"),
        ({"rate": 1, "when_full": "replace"}, "when_full='replace' is for attempts that run"),
        ({"running": 1, "hold": "invocation", "when_full": "replace"}, "neither rate= nor hold="),
    ],
)
def test_what_is_unfit_is_refused(settings: dict[str, Any], text: str) -> None:
    """With what is wrong and where."""
    with pytest.raises(DefinitionError, match=text):
        Limit("x", **settings)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "=a", 5])
def test_a_name_stands_in_keys_and_commands(name: Any) -> None:
    """So it has no other characters than letters, digits, '.', '_' and '-'."""
    with pytest.raises(DefinitionError):
        Limit(name, running=1)


def test_what_an_operator_sets_stands_above_the_code() -> None:
    """Each setting by itself; as text and back nothing is lost."""
    code = VENDOR.settings
    assert (code.running, code.rate, code.period_ms, code.when_full) == (5, 100, 60_000, "wait")
    assert LimitSettings.parse(code.texts()) == code
    above = LimitSettings(rate=2).over(code)
    assert (above.running, above.rate, above.period_ms) == (5, 2, 60_000)
    with pytest.raises(ValueError, match="unknown"):
        LimitSettings.parse(["1", "-", "-", "-", "later", "-", "-"])


@pytest.mark.parametrize(
    ("value", "key"), [("acme", "v/acme"), (7, "v/7"), ("a/b c", "v/a/b c"), (-1, "v/-1")]
)
def test_a_value_has_a_key_of_its_own(value: Any, key: str) -> None:
    """Text as it is, a whole number as text."""
    assert LimitUse("v", "customer").key({"customer": value}, "it", ()) == key


@pytest.mark.parametrize(
    "value", ["x" * 129, "a\nb", "\ud800", "", pytest.param(10**5000, id="huge")]
)
def test_what_cannot_stand_in_a_key_is_digested(value: str | int) -> None:
    """So that a key is one line of bounded length that can be set; a secret is never in one."""
    use = LimitUse("v", "customer")
    key = use.key({"customer": value}, "it", ())
    assert len(key) == 34
    assert key.isprintable()
    secret = use.key({"customer": "4111"}, "it", {"customer"})
    assert "4111" not in secret
    assert secret == use.key({"customer": 4111}, "it", {"customer"})


@pytest.mark.parametrize("params", [{}, {"customer": None}, {"customer": True}, {"customer": 1.5}])
def test_a_value_that_makes_no_key_fails_where_it_is_emitted(params: dict[str, Any]) -> None:
    """The error names the place, the limit and the param."""
    with pytest.raises(EmissionError, match=r"pay: .*'v' counts.*'customer'|pay: 'customer'"):
        LimitUse("v", "customer").key(params, "pay", ())


def test_the_keys_stand_before_the_rest_of_a_mode() -> None:
    """Their length is that of the bytes."""
    uses = [LimitUse("a"), LimitUse("b", "n")]
    assert limited_mode(uses, "m", {"n": "ä"}, "it") == "L6 a\nb/äm"


def test_limits_stand_in_the_definition_by_name() -> None:
    """Not what is in force, which an operator changes; older releases refuse it."""
    flow = Flow("bills")
    flow.add_routine(Bills(), "bills")
    flow.add_routine(charge, "charge")
    flow.connect("bills", "done", "charge", "input", limit="unit-total")
    definition = flow.definition()
    assert definition.has_limits
    assert definition.serialize()["version"] == TIMED_VERSION
    assert definition.limits(0, 0) == (
        LimitUse("unit-total"), LimitUse("unit-vendor", "customer"),
    )  # fmt: skip
    assert definition.limits(0, 1) == ()
    (again,) = Definition.deserialize(definition.serialize()).connections
    assert again.limits == (LimitUse("unit-total"),)


def test_keys_that_all_deliveries_share_are_fixed() -> None:
    """Not where a limit counts by a param, nor where a connection to the slot has limits."""
    flow = Flow("shares")
    flow.add_routine(Bills(), "bills")
    for name in ("alone", "joined"):
        flow.add_routine(counted, name)
        flow.connect("bills", "done", name, "input", limit=B if name == "joined" else None)
    definition = flow.definition()
    fixed = {spec.id: fixed_keys(definition, at, 0) for at, spec in enumerate(definition.routines)}
    assert fixed == {"bills": (), "alone": ("unit-a", "unit-z"), "joined": ()}
    bills, alone, joined = (definition.index(name) for name in ("bills", "alone", "joined"))
    assert keyed_limits(definition, bills, 0) == definition.limits(bills, 0)
    assert keyed_limits(definition, alone, 0) == ()
    names = [use.name for use in keyed_limits(definition, joined, 0, (LimitUse("unit-b"),))]
    assert names == ["unit-a", "unit-b", "unit-z"]
    stored = Router(Celery()).fields(definition)
    assert {name: keys for name, keys in stored.items() if name.startswith("l")} == {
        f"l{alone}.0": "unit-a\nunit-z"
    }


def test_a_flow_names_limits_of_its_jobs() -> None:
    """A text is looked up with the definition; a flow without them keeps its hash."""
    flow, without = Flow("jobs", limit=[VENDOR, "unit-total"]), Flow("jobs")
    for one in (flow, without):
        one.add_routine(plain, "it")
    definition = flow.definition()
    assert definition.limits_of_job == (LimitUse("unit-total"), LimitUse("unit-vendor", "customer"))
    assert definition.has_limits
    assert not definition.has_step_limits
    assert definition.serialize()["version"] == DEFINITION_VERSION
    assert Definition.deserialize(definition.serialize()) == definition
    assert Flow.deserialize(definition.serialize()).definition() == definition
    assert "limits" not in without.serialize()
    assert job_limits([LimitUse("b", "n")], {"n": "ä"}, "it", ()) == "F4 b/ä"


def test_a_flow_and_its_step_cannot_share_a_limit() -> None:
    """Each job would wait for itself; with a text as well as with the limit."""
    flow = Flow("both", limit="unit-vendor")
    flow.add_routine(Bills(), "bills")
    with pytest.raises(DefinitionError, match="one of flow 'both' and of bills"):
        flow.definition()
    joined = Flow("connected", limit="unit-total")
    joined.add_routine(plain, "a")
    joined.add_routine(plain, "b")
    joined.connect("a", "output", "b", "input", limit="unit-total")
    with pytest.raises(DefinitionError, match="one of flow 'connected' and of a"):
        joined.definition()


def test_a_name_that_nothing_declares_is_refused() -> None:
    """With a close match."""

    @routine(limit="unit-totl")
    def misspelt() -> None: ...

    flow = Flow("misspelt")
    with pytest.raises(DefinitionError, match=r"unit-totl.*does not declare.*unit-total"):
        flow.add_routine(misspelt, "it")


@pytest.mark.parametrize("limit", [5, [VENDOR, "unit-vendor"], [f"l{n}" for n in range(9)]])
def test_what_is_no_limit_is_refused_at_the_slot(limit: Any) -> None:
    """Each limit once, and eight at most."""
    with pytest.raises(DefinitionError, match="limit of"):
        routine(limit=limit)(lambda: None)


@pytest.mark.parametrize("raw", [5, [5], [["a b", None]], [["a", 5]]])
def test_damaged_limits_of_a_record_are_told(raw: object) -> None:
    """With the place."""
    with pytest.raises(CorruptRecordError, match="limits of slot 'x'"):
        read_uses(raw, "slot 'x'")


@pytest.mark.parametrize(
    ("retry_after", "limit"),
    [(-1, None), (10**400, None), (float("nan"), None), (True, None), ("3", None), (3, 7)],
)
def test_what_limited_does_not_take(retry_after: Any, limit: Any) -> None:
    """The handler's own mistake is named as one, however large it is."""
    with pytest.raises(InvalidValueError, match=r"retry_after must be|limit must be the name"):
        Limited(retry_after, limit)
