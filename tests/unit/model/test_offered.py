"""A definition that nobody's code has made: what of a worker's code it reaches."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from os import makedirs
from typing import Any

import pytest

from flowforge.errors import FlowForgeError, NotRebuildableError
from flowforge.model.definition import Definition
from flowforge.model.flow import FlowGraph
from flowforge.model.plan import Plan
from flowforge.model.routine import Routine
from tests.unit.model.offered_merges import apart


def merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return {**old, **new}


def _private_merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return new


class Store(Routine):
    """A class with methods that are handlers, and with others that are not."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.put)
        self.define_slot("private", handler=self._keep)
        self.define_slot("merged", handler=self._keep, merge_strategy=apart)

    def put(self, name: str = "") -> None: ...

    def _keep(self, **params: Any) -> None: ...

    def more(self, **params: Any) -> None: ...

    def _remove_everything(self, path: str = "/") -> None:
        raise AssertionError("called")

    @staticmethod
    def combine(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
        return new

    class Inner:
        """No method."""


def forged(change: Callable[[dict[str, Any]], None]) -> Plan:
    """The plan of a definition that was changed where it is stored."""
    flow = FlowGraph("store")
    flow.add_routine(Store(), "it")
    stored = json.loads(flow.definition().to_json())
    change(stored["routines"][0]["routine"])
    return Plan(Definition.from_json(json.dumps(stored)))


#: Names that are no handler of the class, as an attacker would try them.
NAMES = (
    "_remove_everything", "setup", "bind", "emit", "start", "serialize", "deserialize",
    "set_config", "define_slot", "set_error_handler", "_restore", "_child_ended", "combine",
    "Inner", "__init__", "__class__", "__reduce__", "__setattr__", "__call__", "mro",
    "__subclasses__", "__dict__", "put.__globals__", "",
)  # fmt: skip


@pytest.mark.attack(what="A forged definition that names another method of a class as handler")
@pytest.mark.parametrize("name", NAMES)
def test_a_forged_handler_is_not_called(name: str) -> None:
    """Private methods, methods of the base class and other attributes are refused."""
    plan = forged(lambda routine: routine["slots"][0].update(handler=name))
    with pytest.raises(FlowForgeError):
        plan.routine(0)


#: Functions of the worker that are no merge functions.
FUNCTIONS = (
    "os:makedirs", "shutil:rmtree", "subprocess:call", "builtins:exec", "runpy:run_module",
    "importlib:import_module", "celery.platforms:set_process_title", "threading:settrace",
    "flowforge.composition:configure", "flowforge.model.registry:register",
    f"{__name__}:makedirs", f"{__name__}:_private_merge", f"{__name__}:Store",
    f"{__name__}:Store.put", f"{__name__}:Store.combine", f"{__name__}:os.system",
    "tests.unit.model.offered_merges:remove", "nope:x", ":", "",
)  # fmt: skip


@pytest.mark.attack(what="A forged definition that names any imported function as merge function")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_forged_merge_is_not_called(name: str) -> None:
    """Only declared functions, and public functions of modules with routines, are accepted."""
    assert os.makedirs is makedirs
    plan = forged(lambda routine: routine["slots"][0].update(merge_strategy=name))
    with pytest.raises(FlowForgeError):
        plan.routine(0)


def test_what_a_class_declares_is_offered() -> None:
    """Private handlers, and merge functions of other modules, as long as ``__init__`` has them."""
    planned = forged(lambda routine: None).routine(0)
    assert [slot.call for slot in planned.slots] == ["put", "_keep", "_keep"]


def test_slots_that_are_added_later_take_what_is_public() -> None:
    """Methods of the class and functions of a module that defines routines."""
    flow, routine = FlowGraph("store"), Store()
    routine.define_slot("added", handler=routine.more, merge_strategy=merge)
    flow.add_routine(routine, "it")
    planned = Plan(Definition.from_json(flow.definition().to_json())).routine(0)
    assert planned.slots[-1].call == "more"


@pytest.mark.parametrize(
    ("added", "remedy"),
    [
        (lambda store: store.define_slot("added", store._remove_everything), "public method"),
        (lambda store: store.define_slot("added", store.more, _private_merge), "public name"),
    ],
)
def test_what_a_worker_would_refuse_is_refused_when_it_is_added(
    added: Callable[[Store], object], remedy: str
) -> None:
    """With what to do about it, before a job of it is submitted."""
    store = Store()
    added(store)
    with pytest.raises(NotRebuildableError, match=f"define the slot in __init__.*{remedy}"):
        FlowGraph("store").add_routine(store, "it")
