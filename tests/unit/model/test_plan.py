"""Definitions made ready to run."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flowforge.errors import CorruptRecordError, UnknownRoutineClassError
from flowforge.model.definition import Definition
from flowforge.model.error_handler import ErrorHandler
from flowforge.model.flow import FlowGraph
from flowforge.model.handlers.signature import Origin
from flowforge.model.plan import Plan
from flowforge.model.routine import Routine
from tests.unit.model.samples import Called, Charge, Fetch, ServiceDownError, orders


class Opens(Routine):
    """Counts its set-ups, and delays or fails the first of them when told to."""

    setups = 0
    failures = 0
    gate = threading.Event()

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", self.handle)

    def setup(self) -> None:
        type(self).setups += 1
        self.gate.wait()
        if type(self).setups <= type(self).failures:
            raise ConnectionError("not yet")
        self.client = object()

    def handle(self, data: Any) -> None:
        """Take anything."""


class CountedLock:
    """A lock that calls back when so many threads hold it or wait for it."""

    def __init__(self, expected: int, then: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._arrivals = itertools.count(1)
        self._expected = expected
        self._then = then

    def __enter__(self) -> None:
        if next(self._arrivals) == self._expected:
            self._then()
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setattr(Opens, "setups", 0)
    monkeypatch.setattr(Opens, "failures", 0)
    Opens.gate.set()
    flow = FlowGraph("f")
    flow.add_routine(Opens)
    return Plan(flow.definition())


def without(plan: Plan, name: str) -> Plan:
    """The same plan in a worker that has not imported one class."""
    text = plan.definition.to_json().replace(f"samples.{name}", f"gone.{name}")
    return Plan(Definition.from_json(text))


def test_a_planned_routine_has_all_that_a_delivery_needs() -> None:
    """Ids, slots with their methods and sources, the policy, and a target for every event."""
    plan = Plan(orders().definition())
    charge = plan.routine(1)
    assert (charge.id, charge.index) == ("charge", 1)
    assert charge.class_name == "tests.unit.model.samples.Charge"
    assert isinstance(charge.prototype, Charge)
    assert [(s.name, s.index, s.call, s.merges) for s in charge.slots] == [
        ("input", 0, "charge", False),
        ("all", 1, "collect", True),
        ("total", 2, "collect", True),
    ]
    assert charge.slots[0].sources == ("fetch.output -> charge.input",)
    assert charge.slots[2].sources == ()
    assert charge.slots[0].secret == {"card"}


def test_targets_follow_the_connections() -> None:
    """Every declared event is there; an unconnected one has no target."""
    plan = Plan(orders().definition())
    targets = plan.routine(0).targets
    assert list(targets) == ["output", "missing"]
    assert targets["missing"] == ()
    [target] = targets["output"]
    assert (target.routine_index, target.slot_index) == (1, 0)
    assert (target.merges, target.remembers) == (False, True)
    assert target.connection.apply({"id": 1}) == {"order_id": 1}


def test_fan_out_keeps_the_order_of_connection() -> None:
    """An event of several connections has a target for each."""
    flow = orders()
    flow.connect("fetch", "output", "charge", "total")
    flow.connect("fetch", "output", "fetch", "input")
    targets = Plan(flow.definition()).routine(0).targets["output"]
    assert [(t.routine_index, t.slot_index) for t in targets] == [(1, 0), (1, 2), (0, 0)]
    assert [(t.merges, t.remembers) for t in targets] == [
        (False, True), (True, False), (False, False),
    ]  # fmt: skip


def test_call_is_planned_as_a_slot() -> None:
    """An overridden ``__call__`` binds arguments by its own signature and has no slot object."""
    flow = FlowGraph("f")
    flow.add_routine(Called)
    plan = Plan(flow.definition())
    call = plan.routine(0).slots[1]
    assert (call.name, call.call, call.slot, call.merges) == ("__call__", "__call__", None, False)
    assert call.signature.arguments({"day": 1, "x": 2}, lambda: Origin("", "", "")) == (
        (),
        {"day": 1},
    )


def test_the_policy_is_the_nearest_one() -> None:
    """The routine's own, else the flow's, else STOP."""
    flow = orders()
    flow.routines["charge"].set_as_critical(9)
    plan = Plan(flow.definition())
    assert plan.routine(0).error_handler == ErrorHandler("retry")
    assert plan.routine(1).error_handler.max_retries == 9
    flow.set_error_handler(None)
    assert Plan(flow.definition()).routine(0).error_handler == ErrorHandler()


def test_an_unknown_class_spoils_only_itself() -> None:
    """Others run, and even emit to the routine whose class this worker lacks."""
    plan = without(Plan(orders().definition()), "Charge")
    [target] = plan.routine(0).targets["output"]
    assert (target.routine_index, target.remembers) == (1, True)
    with pytest.raises(UnknownRoutineClassError, match=r"gone\.Charge"):
        plan.routine(1)


def test_an_unknown_exception_gives_the_work_to_another_worker() -> None:
    """A flow's policy that this worker cannot read counts as a missing import, too."""
    flow = FlowGraph("f")
    flow.add_routine(Fetch)
    flow.set_error_handler(ErrorHandler("retry", retryable_exceptions=ServiceDownError))
    text = flow.definition().to_json().replace("samples:ServiceDownError", "gone:ServiceDownError")
    with pytest.raises(UnknownRoutineClassError, match="gone:ServiceDownError"):
        Plan(Definition.from_json(text)).routine(0)


def test_a_routine_is_built_and_set_up_once(opens: Plan) -> None:
    """Threads that need a routine at the same moment share one instance and one set-up."""
    planned: Any = opens.routine(0)
    planned.set_up._lock = CountedLock(8, then=Opens.gate.set)
    Opens.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        found = set(map(id, pool.map(set_up_routine, [opens] * 8)))
    assert found == {id(planned)}
    assert Opens.setups == 1


def set_up_routine(plan: Plan) -> Any:
    planned = plan.routine(0)
    planned.set_up()
    return planned


def test_a_failed_setup_is_tried_again(opens: Plan) -> None:
    """Its error is the caller's, and nothing half set up is kept."""
    Opens.failures = 1
    with pytest.raises(ConnectionError, match="not yet"):
        opens.routine(0).set_up()
    opens.routine(0).set_up()
    opens.routine(0).set_up()
    assert Opens.setups == 2


def test_a_routine_out_of_range_is_corrupt() -> None:
    """Negative indexes do not count from the end."""
    plan = Plan(orders().definition())
    for index in (-1, 2):
        with pytest.raises(CorruptRecordError, match="2 routines"):
            plan.routine(index)
