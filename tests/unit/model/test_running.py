"""What a handler may ask of its job, and stats."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from flowforge.errors import (
    DefinitionError,
    EmissionError,
    InvalidValueError,
    OutsideInvocationError,
)
from flowforge.model.routine import bound_to
from tests.unit.model.samples import Charge, Recorder


def test_a_handler_sees_its_invocation() -> None:
    """The accessors answer what the invocation says."""
    recorder = Recorder()
    charge = bound_to(Charge(), recorder)
    assert charge.job == "the job"
    assert (charge.job_id, charge.attempt, charge.checkpoint) == ("j1", 2, None)
    assert charge.slot_data("all") == {"slot": "all"}
    charge.reset_slot("all")
    assert recorder.reset == ["all"]


def test_cancellation_is_seen_while_the_handler_runs() -> None:
    """``cancelled`` is asked of the invocation each time, so a loop can watch it."""
    recorder = Recorder()
    charge = bound_to(Charge(), recorder)
    assert not charge.cancelled
    recorder.cancelled = True
    assert charge.cancelled


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("job", lambda charge: charge.job),
        ("job_id", lambda charge: charge.job_id),
        ("attempt", lambda charge: charge.attempt),
        ("checkpoint", lambda charge: charge.checkpoint),
        ("cancelled", lambda charge: charge.cancelled),
        ("slot_data", lambda charge: charge.slot_data("all")),
        ("reset_slot", lambda charge: charge.reset_slot("all")),
        ("emit_later", lambda charge: charge.emit_later(next(iter(charge.events)), 1)),
    ],
)
def test_outside_a_handler_there_is_no_job(name: str, use: Callable[[Charge], object]) -> None:
    """The error names what was asked, and that a running handler is needed."""
    with pytest.raises(OutsideInvocationError, match=rf"Charge\.{name} is only possible while"):
        use(Charge())


def test_an_emission_can_be_put_off() -> None:
    """Never for less than the delay; its own params may have any names."""
    recorder = Recorder()
    charge = bound_to(Charge(), recorder)
    event = next(iter(charge.events))
    charge.emit_later(event, 0.0011, delay=5, event="x")
    charge.emit_later(event, timedelta(hours=1))
    assert recorder.emitted == [(event, {"delay": 5, "event": "x"}), (event, {})]
    assert recorder.later == [2, 3_600_000]
    with pytest.raises(InvalidValueError, match="delay must be seconds or a timedelta, not None"):
        charge.emit_later(event, None)  # type: ignore[arg-type]
    with pytest.raises(EmissionError, match="has not declared the event 'gone'"):
        charge.emit_later("gone", 1)


def test_an_unknown_slot_is_named() -> None:
    """ValueError lists the slots there are."""
    charge = bound_to(Charge(), Recorder())
    with pytest.raises(DefinitionError, match="no slot 'gone'; it has: 'input', 'all', 'total'"):
        charge.slot_data("gone")
    with pytest.raises(DefinitionError, match="no slot 'gone'"):
        charge.reset_slot("gone")


def test_stats_of_a_free_routine_are_its_own() -> None:
    """Outside a job, stats are plain numbers on the object."""
    charge = Charge()
    charge.set_stat("last", "A1")
    assert charge.increment_stat("seen") == 1
    assert charge.increment_stat("seen", 2) == 3
    assert charge.get_stat("seen") == 3
    assert charge.get_stat("absent") is None
    assert charge.get_stat("absent", 0) == 0
    charge.stats()["seen"] = 99
    assert charge.stats() == {"last": "A1", "seen": 3}
    charge.reset_stats()
    assert charge.stats() == {}


@pytest.mark.parametrize(("first", "amount"), [(0, "y"), ("text", 1), (0, None)])
def test_only_numbers_are_incremented(first: Any, amount: Any) -> None:
    """The error names the stat and both values, in a handler and outside."""
    for charge in (Charge(), bound_to(Charge(), Recorder())):
        charge.set_stat("seen", first)
        with pytest.raises(EmissionError, match=rf"stat 'seen' of Charge cannot grow .*{amount!r}"):
            charge.increment_stat("seen", amount)
        assert charge.get_stat("seen") == first


def test_stats_of_a_handler_go_to_the_job_too() -> None:
    """Each change is recorded as a change, so that concurrent increments add up."""
    recorder = Recorder()
    charge = bound_to(Charge(), recorder)
    charge.set_stat("last", "A1")
    charge.increment_stat("seen", 2)
    charge.reset_stats()
    assert recorder.recorded == [("set", "last", "A1"), ("add", "seen", 2), ("reset", None, None)]
