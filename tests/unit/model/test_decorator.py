"""Functions as routines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from flowforge.errors import DefinitionError
from flowforge.model import registry
from flowforge.model.decorator import routine
from flowforge.model.flow import FlowGraph
from flowforge.model.handlers.signature import Origin
from flowforge.model.plan import Plan
from flowforge.model.routine import Routine, bound_to
from tests.unit.model.samples import Recorder, add_totals


@routine
def double(value: int, scale: int = 2) -> dict[str, int]:
    """Doubled, or more."""
    return {"value": value * scale}


@routine(events={"paid": ["order_id"], "refused": None}, queue="billing", secret=["card"])
def pay(self: Routine, order_id: int, card: str = "") -> None:
    """An ordinary handler."""
    self.emit("paid" if card else "refused", order_id=order_id)


@routine(events=["one", "two"])
def undecided(data: Any) -> Any:
    """Does not say which event it means."""
    return data


@routine(events=[])
def sink(data: Any) -> Any:
    """Emits nothing."""
    return data.get("result")


@routine(merge_strategy=add_totals, name="Total")
def total(data: dict[str, int]) -> dict[str, int]:
    """Sees what has merged."""
    return data


refunded: list[Any] = []


def give_back(charge: str, amount: int = 0) -> str:
    """What it returns is nothing to anybody."""
    refunded.append((charge, amount))
    return "given back"


@routine(undo=give_back)
def charge(amount: int) -> dict[str, Any]:
    """Undone by a function."""
    return {"amount": amount}


def take_back(self: Routine, shelf: str) -> None:
    """An undo that is an ordinary handler."""
    self.set_stat("taken back", shelf)


@routine(undo=take_back, events=[])
def place(self: Routine, shelf: str) -> None:
    """Keeps more for its undo."""
    self.undo_with(height=2)


def deliver(cls: type[Routine], **params: Any) -> list[tuple[str, dict[str, Any]]]:
    """Run one delivery as a worker does: rebuilt, bound, called by signature."""
    flow = FlowGraph("f")
    flow.add_routine(cls)
    planned = Plan(flow.definition()).routine(0)
    slot = planned.slots[0]
    recorder = Recorder()
    args, kwargs = slot.signature.arguments(params, lambda: Origin("there", "nobody", ""))
    getattr(bound_to(planned.prototype, recorder), slot.call)(*args, **kwargs)
    return recorder.emitted


def test_a_function_becomes_a_registered_class() -> None:
    """The class takes the function's name, module and docstring, and has one slot."""
    assert issubclass(double, Routine)
    assert registry.class_name(double) == f"{__name__}.double"
    assert registry.lookup(f"{__name__}.double") is double
    assert (double.__name__, double.__doc__) == ("double", "Doubled, or more.")
    assert list(double().slots) == ["input"]
    assert list(double().events) == ["output"]


def test_the_function_can_still_be_tested() -> None:
    """``function`` is what was decorated."""
    assert double.function(3) == {"value": 6}  # type: ignore[attr-defined]


def test_a_returned_dict_is_emitted() -> None:
    """The params bind by the function's own signature; the result goes to its only event."""
    assert deliver(double, value=3, extra=1) == [("output", {"value": 6})]
    assert deliver(double, value=3, scale=3) == [("output", {"value": 9})]


def test_none_emits_nothing() -> None:
    """A function that returns nothing emits nothing, whatever it declares."""
    assert deliver(sink, other=1) == []


def test_a_function_with_self_emits_as_a_method_does() -> None:
    """It receives the bound routine."""
    assert deliver(pay, order_id=1, card="x") == [("paid", {"order_id": 1})]
    assert deliver(pay, order_id=2) == [("refused", {"order_id": 2})]


def test_what_a_function_with_self_returns_reaches_the_engine() -> None:
    """The engine refuses it, as it does what any other handler returns."""

    @routine(events=["done"])
    def returning(self: Routine, n: int) -> dict[str, int]:
        return {"n": n}

    assert returning().handle(n=1) == {"n": 1}  # type: ignore[attr-defined]


def test_a_param_named_self_reaches_a_plain_function() -> None:
    """The routine's own argument takes no name away from the params."""

    @routine
    def echo(**params: Any) -> dict[str, Any]:
        return params

    assert deliver(echo, self=1, _routine=2) == [("output", {"self": 1, "_routine": 2})]


def test_options_reach_the_routine() -> None:
    """Queue, secrets, event params, merge strategy and name are as the decorator says."""
    assert pay.queue == "billing"
    assert pay().slots["input"].secret == {"card"}
    assert pay().events["paid"].output_params == ("order_id",)
    assert pay().events["refused"].output_params is None
    assert total().slots["input"].merge_strategy is add_totals
    assert registry.class_name(total) == f"{__name__}.Total"


@pytest.mark.parametrize(
    ("cls", "params", "message"),
    [
        (undecided, {"a": 1}, r"undecided returned a dict, but declares 2 events \('one', 'two'\)"),
        (sink, {"result": {"a": 1}}, "sink returned a dict, but declares 0 events"),
        (sink, {"result": 5}, "sink returned 5: return a dict of params to emit, or None"),
        (sink, {"result": {1: 2}}, "sink returned {1: 2}: return a dict"),
    ],
    ids=["two events", "no event", "no dict", "no names"],
)
def test_a_result_that_cannot_be_emitted_is_an_error(
    cls: type[Routine], params: dict[str, Any], message: str
) -> None:
    """The error says what was returned and what to do."""
    with pytest.raises(DefinitionError, match=message):
        deliver(cls, **params)


def test_a_function_routine_survives_serialisation() -> None:
    """It is rebuilt by name, as any routine."""
    record = json.loads(json.dumps(pay().serialize()))
    assert Routine.deserialize(record).serialize() == pay().serialize()


def test_a_bare_string_of_events_is_refused() -> None:
    """``events="done"`` would declare d, o, n and e."""
    with pytest.raises(DefinitionError, match=r"write \['done'\]"):
        routine(events="done")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"name": 3}, "name of @routine must be a string, not int 3"),
        ({"name": ""}, "name of @routine must not be empty"),
        ({"queue": ""}, "queue of @routine must not be empty"),
        ({"queue": 3}, "queue of @routine must be a string"),
        ({"events": ["a", "a"]}, "events of @routine name 'a' twice"),
        ({"events": 3}, "events must be a list of names, not 3"),
        ({"events": [3]}, "event name must be a string"),
    ],
    ids=str,
)
def test_an_option_that_cannot_be_right_is_refused(options: dict[str, Any], expected: str) -> None:
    """Where the decorator stands, and with its name."""
    with pytest.raises(DefinitionError, match=expected):
        routine(**options)


def test_what_is_no_function_is_refused() -> None:
    """Only functions become routines, and only those that run when they are called."""

    async def later() -> None: ...

    def items() -> Iterator[int]:
        yield 1

    with pytest.raises(DefinitionError, match="of a function, not of <class 'int'>"):
        routine(int)
    with pytest.raises(DefinitionError, match="is async"):
        routine(later)
    with pytest.raises(DefinitionError, match="is a generator"):
        routine(items)


def test_an_unknown_strategy_is_refused_at_once() -> None:
    """A mistake in the decorator shows when the module is imported."""
    with pytest.raises(DefinitionError, match="unknown merge strategy 'replace'"):
        routine(merge_strategy="replace")(lambda data: None)


def test_a_call_with_arguments_is_one_of_the_function() -> None:
    """As it was before it was decorated; a call without any makes a routine, as of any class."""
    called: Any = double
    assert called(5) == {"value": 10}
    assert called(value=5, scale=3) == {"value": 15}
    assert isinstance(called(), Routine)


def test_a_function_with_self_cannot_be_called_alone() -> None:
    """It would take the first argument for the routine."""
    called: Any = pay
    with pytest.raises(DefinitionError, match=r"pay takes self.*call pay.function\(routine"):
        called(5)


def test_a_subclass_is_built_by_its_own_init() -> None:
    """Arguments of its own do not reach the function."""
    parent: Any = double

    class Scaled(parent):  # type: ignore[misc]
        def __init__(self, scale: int = 1) -> None:
            super().__init__()
            self.scale = scale

    assert Scaled(3).scale == 3


@pytest.mark.parametrize(
    "text",
    ["@routine\ndef f(n): ...", "class F(Routine): ...\nFlowGraph().add_routine(F)"],
)
def test_code_without_a_module_is_refused(text: str) -> None:
    """No other process could find it; the error says what exec() needs."""
    globals_ = {"routine": routine, "Routine": Routine, "FlowGraph": FlowGraph}
    with pytest.raises(DefinitionError, match=r"give the globals of exec\(\) a __name__"):
        exec(text, globals_)  # noqa: S102


def planned_undo(cls: type[Routine]) -> tuple[Any, Any]:
    """The routine as a worker builds it, and what undoes its only slot."""
    flow = FlowGraph("f")
    flow.add_routine(cls)
    planned = Plan(flow.definition()).routine(0)
    return planned.prototype, planned.slots[0].undo


def test_a_function_undoes_a_function() -> None:
    """It takes params by name, as handlers do, and its result is ignored."""
    refunded.clear()
    prototype, undo = planned_undo(charge)
    assert undo.signature.takes("charge")
    assert not undo.signature.takes("card")
    recorder = Recorder()
    getattr(bound_to(prototype, recorder), undo.call)(charge="c1", amount=3)
    assert (refunded, recorder.emitted) == ([("c1", 3)], [])


def test_an_undo_may_take_self() -> None:
    """Then it has what handlers have: config, stats, undo_with."""
    prototype, undo = planned_undo(place)
    recorder = Recorder()
    getattr(bound_to(prototype, recorder), undo.call)(shelf="a")
    deliver(place, shelf="a")


@pytest.mark.parametrize("undo", ["give_back", print, Recorder])
def test_an_undo_that_is_no_function_is_refused(undo: Any) -> None:
    """Workers find it with the function that it belongs to."""
    with pytest.raises(DefinitionError, match="undo of @routine must be a function"):
        routine(undo=undo)(charge.function)  # type: ignore[attr-defined]


def test_an_undo_that_is_async_is_refused() -> None:
    """As handlers are."""

    async def later() -> None: ...

    with pytest.raises(DefinitionError, match=r"undo of @routine, .*later.*, is async"):
        routine(undo=later)
