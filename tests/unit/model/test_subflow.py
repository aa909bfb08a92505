"""A flow used as a routine of another."""

from __future__ import annotations

from typing import Any

import pytest

from flowforge import ErrorHandler, ErrorStrategy, Flow, Routine
from flowforge.errors import DefinitionError


class Step(Routine):
    """One slot, two events."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.go)
        self.define_event("output")
        self.define_event("extra")

    def go(self) -> None: ...


def two_steps() -> Flow:
    """first -> second"""
    flow = Flow("inner")
    flow.add_routine(Step(), "first")
    flow.add_routine(Step(), "second")
    flow.connect("first", "output", "second", "input")
    return flow


def test_the_entry_is_the_only_routine_that_nothing_feeds() -> None:
    """Left out, it is found; a feedback of a routine to itself does not count."""
    inner = two_steps()
    inner.connect("first", "extra", "first", "input")
    outer = Flow("outer")
    assert outer.add_flow(inner, "part") == "part"
    outer.add_routine(Step(), "before")
    outer.connect("before", "output", "part", "input")
    (made,) = [c for c in outer.connections if c.source_routine_id == "before"]
    assert (made.target_routine_id, made.target_slot) == ("part/first", "input")


def test_an_unclear_entry_is_refused() -> None:
    """With two routines that nothing feeds one has to be named; so with none."""
    inner = Flow("inner")
    inner.add_routine(Step(), "one")
    inner.add_routine(Step(), "other")
    with pytest.raises(DefinitionError, match=r"2 routines .*one.*other.* that nothing feeds"):
        Flow("outer").add_flow(inner, "part")
    assert Flow("outer").add_flow(inner, "part", entry="other") == "part"
    inner.connect("one", "output", "other", "input")
    inner.connect("other", "output", "one", "input")
    with pytest.raises(DefinitionError, match="no routine that nothing feeds"):
        Flow("outer").add_flow(inner, "part")


def test_events_that_nobody_takes_inside_are_its_events() -> None:
    """By their names where these are unique, else with the routine's id."""
    outer = Flow("outer")
    outer.add_flow(two_steps(), "part")
    outer.add_routine(Step(), "after")
    outer.connect("part", "output", "after", "input")
    outer.connect("part", "first.extra", "after", "input")
    with pytest.raises(DefinitionError, match="several outputs named 'extra'"):
        outer.connect("part", "extra", "after", "input")
    with pytest.raises(DefinitionError, match="entered by its slot 'input', not 'side'"):
        outer.connect("after", "output", "part", "side")


def test_error_handlers_come_along() -> None:
    """The sub-flow's own handler holds for its routines, not for the flow around it."""
    inner = two_steps()
    inner.set_error_handler(ErrorHandler(strategy=ErrorStrategy.SKIP))
    outer = Flow("outer")
    outer.add_flow(inner, "part")
    outer.add_routine(Step(), "own")
    again = Flow.deserialize(outer.serialize())
    handlers = {spec.id: spec.raw["error_handler"] for spec in again.definition().routines}
    assert handlers["part/first"]["strategy"] == "skip"
    assert handlers["own"] is None


def test_a_flow_cannot_contain_itself() -> None:
    """Neither directly nor by way of others."""
    flow, between = two_steps(), Flow("between")
    with pytest.raises(DefinitionError, match="cannot contain itself"):
        flow.add_flow(flow, "part")
    between.add_flow(flow, "inside")
    with pytest.raises(DefinitionError, match="'inner' cannot contain itself"):
        flow.add_flow(between, "part", entry="inside")


def test_a_sub_flow_is_a_flow() -> None:
    """Its id does not do."""
    other: Any = "inner"
    with pytest.raises(DefinitionError, match="add_flow needs a Flow, not 'inner'"):
        Flow("outer").add_flow(other, "a")


def test_ids_of_sub_flows_are_taken() -> None:
    """A routine and a sub-flow cannot share an id, in either order."""
    flow = Flow("outer")
    flow.add_flow(two_steps(), "part")
    with pytest.raises(DefinitionError, match="already has a routine 'part'"):
        flow.add_routine(Step(), "part")
    flow.add_routine(Step(), "own")
    with pytest.raises(DefinitionError, match="already has a routine 'own'"):
        flow.add_flow(two_steps(), "own")


def test_later_changes_stay_outside() -> None:
    """What was added is a copy."""
    inner, outer = two_steps(), Flow("outer")
    outer.add_flow(inner, "part")
    inner.add_routine(Step(), "third")
    assert list(outer.routines) == ["part/first", "part/second"]
