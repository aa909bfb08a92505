"""Routines: slots, events, config, binding and transport."""

from __future__ import annotations

import functools
import json
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.errors import (
    CorruptRecordError,
    DefinitionError,
    EmissionError,
    NotRebuildableError,
    OutsideInvocationError,
    UnknownRoutineClassError,
)
from flowforge.model.error_handler import ErrorHandler, ErrorStrategy
from flowforge.model.routine import _OWN, Routine, bound_to, fresh, overrides_call
from tests.unit.model import samples
from tests.unit.model.plain_values import plain
from tests.unit.model.samples import Charge, Fetch, NeedsArgument, Recorder, add_totals


class Plain(Routine):
    """No slots, no events: tests add what they need."""

    def handle(self, data: Any) -> None:
        """Take anything."""

    async def wait(self) -> None:
        """Not a handler: nobody awaits it."""

    def produce(self) -> Iterator[int]:
        """Not a handler: nobody iterates it."""
        yield 1

    @staticmethod
    def static(data: Any) -> None:
        """Not bound to a routine."""

    @classmethod
    def of_class(cls, data: Any) -> None:
        """Bound to the class, not to a routine."""

    def __hidden(self) -> None:
        """Its name on the class differs from its own."""

    def hidden(self) -> Callable[..., None]:
        return self.__hidden


class Child(Plain):
    """Overrides what its parent handles."""

    def handle(self, data: Any) -> None:
        """Take anything, differently."""

    def parent(self) -> Callable[..., None]:
        return super().handle


class ForgetsSuper(Routine):
    """Does not call ``super().__init__()``."""

    def __init__(self) -> None:
        self.define_event("done")


def test_slots_and_events_are_found_by_name() -> None:
    """What was defined is returned by name and in order; what was not is None."""
    charge = Charge()
    slot, event = charge.get_slot("input"), charge.get_event("charged")
    assert slot is not None
    assert event is not None
    assert (slot.name, slot.handler_name, *slot.secret) == ("input", "charge", "card")
    assert event.output_params == ("order_id",)
    assert charge.get_slot("gone") is None
    assert charge.get_event("gone") is None
    assert list(charge.slots) == ["input", "all", "total"]
    assert list(charge.events) == ["charged"]


def test_a_forgotten_super_call_does_no_harm() -> None:
    """The routine's own state exists before ``__init__`` runs."""
    assert ForgetsSuper().get_event("done") is not None


def test_duplicate_names_are_refused() -> None:
    """ValueError names the routine and what it has already."""
    routine = Charge()
    with pytest.raises(DefinitionError, match="Charge already has the slot 'input'"):
        routine.define_slot("input", routine.charge)
    with pytest.raises(DefinitionError, match="Charge already has the event 'charged'"):
        routine.define_event("charged")


@pytest.mark.parametrize(
    "pick",
    [
        lambda r: lambda data: None,
        lambda r: "handle",
        lambda r: Plain.handle,
        lambda r: Child().handle,
        lambda r: r.static,
        lambda r: r.of_class,
        lambda r: functools.partial(r.handle, 1),
        lambda r: types.MethodType(lambda self, data: None, r),
        lambda r: r.hidden(),
        lambda r: r.parent(),
    ],
    ids=[
        "lambda", "name", "unbound", "another's", "static", "classmethod", "partial", "attached",
        "mangled", "overridden",
    ],
)  # fmt: skip
def test_a_handler_must_be_found_by_name(pick: Callable[[Child], Any]) -> None:
    """A handler that is not this object's method of its class is refused, with what to do."""
    routine = Child()
    with pytest.raises(NotRebuildableError, match="handler of slot 'input' of Child"):
        routine.define_slot("input", pick(routine))
    assert routine.slots == {}


def test_handlers_that_would_not_run_are_refused() -> None:
    """Calling a coroutine or generator function runs nothing, so it is an error at once."""
    routine = Plain()
    with pytest.raises(DefinitionError, match=r"is async.*asyncio\.run"):
        routine.define_slot("input", routine.wait)
    with pytest.raises(DefinitionError, match=r"is a generator.*emit each item"):
        routine.define_slot("input", routine.produce)


def test_emitting_reaches_the_invocation() -> None:
    """Params of any name travel, declared or not, even ``event`` and ``self``."""
    recorder = Recorder()
    fetch = bound_to(Fetch(), recorder)
    fetch.emit("output", id=1, event="x", more=2)
    fetch.emit("missing", self=3)
    assert recorder.emitted == [
        ("output", {"id": 1, "event": "x", "more": 2}),
        ("missing", {"self": 3}),
    ]


def test_an_undeclared_event_is_refused() -> None:
    """The error lists what is declared, inside a handler and outside."""
    for fetch in (Fetch(), bound_to(Fetch(), Recorder())):
        with pytest.raises(EmissionError, match="'gone'; declared: 'output', 'missing'"):
            fetch.emit("gone")


def test_emitting_outside_a_handler_is_refused() -> None:
    """An object that no job runs has nowhere to send to."""
    with pytest.raises(OutsideInvocationError, match=r"Fetch\.emit"):
        Fetch().emit("output", id=1)


def test_config_is_kept_as_json_would() -> None:
    """Values are copied in and out; defaults apply to absent names only."""
    routine = Plain()
    given_list = [1, (2, 3)]
    routine.set_config(items=given_list, self="theirs")
    routine.set_config(nothing=None, self="ours")
    given_list.append(4)
    assert routine.get_config("items") == [1, [2, 3]]
    assert routine.get_config("nothing", 7) is None
    assert routine.get_config("absent", 7) == 7
    assert routine.config() == {"items": [1, [2, 3]], "nothing": None, "self": "ours"}


def test_config_that_json_cannot_carry_is_refused() -> None:
    """ValueError names the key, and nothing of the call is kept."""
    routine = Plain()
    with pytest.raises(DefinitionError, match="config 'client'"):
        routine.set_config(rate=1, client=object())
    assert routine.config() == {}


def test_a_bound_copy_changes_nothing_of_the_prototype() -> None:
    """Attributes, config and stats that a handler sets are gone with its copy."""
    prototype = Plain()
    prototype.set_config(limits=[1])
    prototype.set_stat("seen", 1)
    bound = bound_to(prototype, Recorder())
    bound.set_config(limits=[2], extra=1)
    bound.get_config("limits").append(3)
    prototype.get_config("limits").append(3)
    bound.increment_stat("seen")
    bound.left_over = True  # type: ignore[attr-defined]
    assert prototype.config() == {"limits": [1]}
    assert prototype.stats() == {"seen": 1}
    assert not hasattr(prototype, "left_over")


def test_a_bound_copy_shares_what_setup_opened() -> None:
    """The copy is shallow, so that a connection is opened once for all deliveries."""

    class Opens(Routine):
        def setup(self) -> None:
            self.client = object()

    prototype = Opens()
    prototype.setup()
    bound = bound_to(prototype, Recorder())
    assert type(bound) is Opens
    assert bound.client is prototype.client


def test_a_handler_cannot_redefine_its_routine() -> None:
    """Slots, events and the policy belong into ``__init__``: a copy would only lose them."""
    bound = bound_to(Charge(), Recorder())
    with pytest.raises(DefinitionError, match="define the slot 'new' in a handler"):
        bound.define_slot("new", bound.charge)
    with pytest.raises(DefinitionError, match="define the event 'new' in a handler"):
        bound.define_event("new")
    with pytest.raises(DefinitionError, match="set the error handler in a handler"):
        bound.set_as_critical()


def test_critical_and_optional_are_policies() -> None:
    """Critical retries and then fails the job; optional goes on or skips."""
    routine = Plain()
    assert routine.get_error_handler() is None
    routine.set_as_critical(5, 0.5, 3)
    assert routine.get_error_handler() == ErrorHandler("retry", 5, 0.5, 3, is_critical=True)
    routine.set_as_optional()
    assert routine.get_error_handler() == ErrorHandler("continue")
    routine.set_as_optional(ErrorStrategy.SKIP)
    assert routine.get_error_handler() == ErrorHandler("skip")
    routine.set_error_handler(None)
    assert routine.get_error_handler() is None


@pytest.mark.parametrize("strategy", ["stop", "retry"])
def test_an_optional_routine_cannot_stop_a_job(strategy: str) -> None:
    """Only CONTINUE and SKIP are optional."""
    with pytest.raises(DefinitionError, match=f"not '{strategy}'"):
        Plain().set_as_optional(strategy)


def test_a_policy_must_be_one_and_rebuildable() -> None:
    """Another object, and a policy with a local exception class, are refused at once."""

    class LocalError(Exception):
        pass

    with pytest.raises(DefinitionError, match="an ErrorHandler is needed, not 'retry'"):
        Plain().set_error_handler("retry")  # type: ignore[arg-type]
    with pytest.raises(NotRebuildableError, match="LocalError"):
        Plain().set_error_handler(ErrorHandler("retry", retryable_exceptions=LocalError))


def test_calling_needs_an_override() -> None:
    """A routine without its own ``__call__`` says where a job starts in its place."""
    assert overrides_call(samples.Called)
    assert not overrides_call(Charge)
    with pytest.raises(DefinitionError, match="Charge does not override __call__"):
        Charge()()


def test_every_change_of_the_definition_counts() -> None:
    """A flow notices changes by the revision, so none may leave it as it was."""
    routine = Plain()
    changes: list[Callable[[], object]] = [
        lambda: routine.define_slot("input", routine.handle),
        lambda: routine.define_event("done"),
        lambda: routine.set_config(a=1),
        routine.set_as_critical,
        lambda: routine.set_error_handler(None),
    ]
    revisions = {routine._revision}
    for change in changes:
        change()
        revisions.add(routine._revision)
    assert len(revisions) == len(changes) + 1


def test_a_routine_survives_serialisation() -> None:
    """Class, config, queue, policy, slots and events come back, however they were set."""
    routine = Charge()
    routine.set_config(rate=0.2)
    routine.set_as_critical(7)
    routine.queue = "billing"
    routine.define_slot("late", routine.collect, add_totals, secret=["pin"])
    routine.define_event("refused", [])
    record = json.loads(json.dumps(routine.serialize()))
    again = Routine.deserialize(record)
    assert type(again) is Charge
    assert again.serialize() == routine.serialize()
    assert again.slots == routine.slots
    assert again.slots["late"].handler == again.collect


@given(st.dictionaries(st.text(), plain, max_size=4))
def test_any_config_survives_serialisation(config: dict[str, Any]) -> None:
    """What ``set_config`` accepts, a worker reads back unchanged."""
    routine = Plain()
    routine.set_config(**config)
    again = Plain.deserialize(json.loads(json.dumps(routine.serialize())))
    assert again.config() == routine.config() == config


def test_deserialising_asks_for_the_right_class() -> None:
    """A subclass rebuilds its own kind only."""
    with pytest.raises(DefinitionError, match=r"samples\.Fetch is no Charge"):
        Charge.deserialize(Fetch().serialize())


def test_deserialising_needs_the_class_and_its_handlers() -> None:
    """An unknown class says what to import; a missing method says which version problem it is."""
    record = Charge().serialize()
    with pytest.raises(UnknownRoutineClassError, match="add shop to FLOWFORGE_IMPORTS"):
        Routine.deserialize({**record, "class": "shop.Charge"})
    slots = [{**record["slots"][0], "handler": "gone"}]
    with pytest.raises(DefinitionError, match=r"no method 'gone'.*slot 'input'.*another version"):
        Routine.deserialize({**record, "slots": slots})


@pytest.mark.parametrize("change", [{"class": None}, {"config": []}, {"slots": [1]}, {"queue": 1}])
def test_a_malformed_routine_is_corrupt(change: dict[str, object]) -> None:
    """A stored routine of another shape is refused."""
    with pytest.raises(CorruptRecordError):
        Routine.deserialize({**Charge().serialize(), **change})


def test_a_class_that_needs_arguments_cannot_be_built() -> None:
    """The error keeps the cause and says how to pass parameters."""
    with pytest.raises(NotRebuildableError, match=r"NeedsArgument\(\).*set_config") as caught:
        fresh(NeedsArgument)
    assert isinstance(caught.value.__cause__, TypeError)


@pytest.mark.parametrize("name", ["config", "events", "get_slot", "serialize", "slots"])
def test_a_method_that_flowforge_calls_is_not_replaced(name: str) -> None:
    """A handler of that name would be called in its place: the class says so at once."""
    with pytest.raises(DefinitionError, match=rf"Mine defines '{name}', which FlowForge itself"):
        type("Mine", (Routine,), {name: lambda self, n: None, "__module__": __name__})


#: What users override or set, and FlowForge reads: no handler can have these names either.
_SET = ("queue", "setup")


@pytest.mark.parametrize(
    "name", [one for one in dir(Routine) if not one.startswith("_") and one not in {*_OWN, *_SET}]
)
def test_a_handler_may_have_any_other_name(name: str) -> None:
    """Also one that the base class has for users: only the handler's own calls see that."""
    seen = []

    def define(self: Routine) -> None:
        Routine.define_slot(self, "input", getattr(self, name))

    def handle(self: Routine, n: int) -> None:
        seen.append(n)

    handle.__name__ = name
    members = {name: handle, "__init__": define, "__module__": __name__, "__qualname__": "Named"}
    made: type[Routine] = type("Named", (Routine,), members)
    rebuilt = Routine.deserialize(made().serialize())
    slot = rebuilt.get_slot("input")
    assert slot is not None
    getattr(bound_to(rebuilt, Recorder()), slot.handler_name)(3)
    assert seen == [3]
