"""What an attempt collects, and what it answers."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flowforge.codec.binary import packb, read_invocation, unpack_record
from flowforge.errors import (
    DefinitionError,
    EmissionError,
    OutsideInvocationError,
    PayloadError,
    PayloadTooLargeError,
    StoreUnavailableError,
)
from flowforge.execution.attempt import MOST_STARTED, Attempt
from flowforge.execution.effects import AS_OUTPUTS, Effects
from flowforge.execution.emitting import STAGED_BYTES, STAGED_EMISSIONS
from flowforge.model.flow import FlowGraph
from flowforge.model.plan import Plan
from flowforge.model.times.child_start import ChildStart
from tests.unit.execution.samples import LIMIT, Context, Worker, make_attempt


def sent(attempt: Attempt) -> list[tuple[int, int, str, int, dict[str, Any]]]:
    """(routine, slot, mode, emitter, params) of every emission."""
    return [
        (routine, slot, mode, *read_invocation(record, "emitted"))
        for routine, slot, mode, record in attempt.effects.emitted
    ]


def test_an_emission_names_its_target() -> None:
    """An emission names its target by index and carries its emitter's number and the params."""
    attempt = make_attempt()
    attempt.emit("done", {"id": 1})
    assert sent(attempt) == [(1, 0, "o", 7, {"id": 1})]
    assert attempt.emitted == {"done": 1}
    assert attempt.effects.outputs == []


def test_a_fan_out_reaches_every_connection_in_order() -> None:
    """Each connection gets its own emission; its mapping and its slot's mode apply to it alone."""
    attempt = make_attempt()
    attempt.emit("split", {"id": 1, "x": 2})
    assert sent(attempt) == [
        (1, 0, "o", 7, {"id": 1, "x": 2}),
        (1, 1, "m", 7, {"x": 2, "order_id": 1}),
        (0, 3, "o", 7, {"id": 1, "x": 2}),
    ]
    assert attempt.emitted == {"split": 1}


def test_every_delivery_gets_its_own_copy() -> None:
    """What a handler changes after an emission does not reach the receivers."""
    attempt = make_attempt()
    rows = [1]
    attempt.emit("split", {"rows": rows})
    rows.append(2)
    attempt.emit("done", {"rows": rows})
    payloads = [params for *_, params in sent(attempt)]
    assert payloads == [{"rows": [1]}] * 3 + [{"rows": [1, 2]}]


def test_an_event_that_nobody_is_connected_to_is_an_output() -> None:
    """Outputs name their invocation, routine and event."""
    attempt = make_attempt()
    attempt.emit("result", {"total": 3})
    attempt.emit("result", {"total": 4})
    outputs = [unpack_record(raw, "output", 4) for raw in attempt.effects.outputs]
    assert outputs == [[7, "worker", "result", {"total": n}] for n in (3, 4)]
    assert attempt.emitted == {"result": 2}
    assert attempt.effects.emitted == []


@pytest.mark.parametrize("event", ["done", "split", "result"])
def test_a_value_that_cannot_travel_is_named(event: str) -> None:
    """The error says which emission and which value; nothing of it is collected."""
    attempt = make_attempt()
    with pytest.raises(PayloadError, match=rf"worker.emit\('{event}'\): params\['a'\]\[0\] is a"):
        attempt.emit(event, {"a": [object()]})
    assert attempt.effects.emitted == attempt.effects.outputs == []
    assert attempt.emitted == {}


@pytest.mark.parametrize("event", ["done", "split", "result"])
def test_a_payload_that_is_too_large_is_refused(event: str) -> None:
    """The limit holds for each delivery."""
    attempt = make_attempt()
    with pytest.raises(PayloadTooLargeError, match=r"worker\.emit"):
        attempt.emit(event, {"a": b"x" * (LIMIT + 1)})
    assert attempt.emitted == {}


def test_a_fan_out_is_all_or_nothing() -> None:
    """A handler that catches the error of one connection has sent nothing to the others."""
    attempt = make_attempt()
    # With the mapping the params grow beyond the limit: "id" becomes "order_id".
    params = {"id": b"x" * (LIMIT - 8)}
    with pytest.raises(PayloadTooLargeError):
        attempt.emit("split", params)
    assert attempt.effects.emitted == []


def test_a_large_emission_is_staged() -> None:
    """Memory holds a bounded number of emissions; the rest waits in the store, counted."""
    context = Context()
    attempt = make_attempt(context=context)
    for number in range(STAGED_EMISSIONS * 2 + 5):
        attempt.emit("done", {"id": number})
    assert len(context.staged) == STAGED_EMISSIONS * 2
    assert len(attempt.effects.emitted) == 5
    assert attempt.effects.staged == {1: STAGED_EMISSIONS * 2}
    numbers = [read_invocation(record, "emitted")[1]["id"] for *_, record in context.staged]
    assert numbers == list(range(STAGED_EMISSIONS * 2))


def test_many_outputs_are_staged() -> None:
    """What goes to nobody is bounded as well, and stays in its order."""
    context = Context()
    attempt = make_attempt(context=context)
    for number in range(STAGED_EMISSIONS + 5):
        attempt.emit("result", {"id": number})
    assert len(attempt.effects.outputs) == 5
    attempt.finish()
    assert attempt.effects.outputs == []
    assert attempt.effects.staged == {AS_OUTPUTS: STAGED_EMISSIONS + 5}
    found = [unpack_record(record, "output", 4)[-1]["id"] for record in context.outputs]
    assert found == list(range(STAGED_EMISSIONS + 5))


def test_few_outputs_are_not_staged() -> None:
    """They become visible with the commit itself."""
    attempt = make_attempt()
    attempt.emit("result", {"id": 1})
    attempt.finish()
    assert len(attempt.effects.outputs) == 1
    assert attempt.effects.staged == {}


def test_large_records_are_staged_early() -> None:
    """Bytes count as well as emissions."""
    context = Context()
    attempt = make_attempt(context=context)
    attempt.limit = STAGED_BYTES * 2
    attempt.emit("done", {"id": b"x" * STAGED_BYTES})
    attempt.emit("done", {"id": 2})
    assert len(context.staged) == 1
    assert len(attempt.effects.emitted) == 1


def test_an_emission_that_raises_is_not_collected() -> None:
    """A handler that goes on after an outage, or emits again, has sent what ``emit`` accepted."""
    context = Context()
    attempt = make_attempt(context=context)
    accepted = []
    for number in range(STAGED_EMISSIONS * 3):
        context.replies_lost = int(number in (STAGED_EMISSIONS, STAGED_EMISSIONS * 2 + 1))
        with contextlib.suppress(StoreUnavailableError):
            attempt.emit("done", {"id": number})
            accepted.append(number)
    attempt.finish()
    records = [record for *_, record in [*context.staged, *attempt.effects.emitted]]
    assert len(accepted) == STAGED_EMISSIONS * 3 - 2
    assert [read_invocation(record, "emitted")[1]["id"] for record in records] == accepted
    assert attempt.effects.staged == {1: len(context.staged)}
    assert attempt.emitted == {"done": len(accepted)}


def test_threads_of_a_handler_lose_nothing() -> None:
    """Every emission and every increment of every thread is there, once."""
    context = Context()
    attempt = make_attempt(context=context)
    # Another thread gets its turn within a call, not only now and then.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: emit_some(attempt, n), range(2000)))
    finally:
        sys.setswitchinterval(interval)
    attempt.finish()
    emitted = [*context.staged, *attempt.effects.emitted]
    numbers = [read_invocation(record, "emitted")[1]["id"] for *_, record in emitted]
    assert sorted(numbers) == list(range(2000))
    outputs = [*context.outputs, *attempt.effects.outputs]
    assert len(outputs) == len(set(outputs)) == 2000
    assert attempt.emitted == {"done": 2000, "result": 2000}
    assert attempt.effects.stats == [("add", "0.n", "2000")]


def emit_some(attempt: Attempt, number: int) -> None:
    attempt.emit("done", {"id": number})
    attempt.emit("result", {"id": number})
    attempt.record_stat("add", "n", 1)


FLOW = FlowGraph("flow")

LATE: dict[str, Callable[[Attempt], object]] = {
    "emit": lambda attempt: attempt.emit("done", {}),
    "start": lambda attempt: attempt.start(FLOW, "it", {}, ChildStart("grown"), None, None, None),
    "stats": lambda attempt: attempt.record_stat("add", "n", 1),
    "reset_slot": lambda attempt: attempt.reset_slot("merged"),
}


@pytest.mark.parametrize("call", LATE)
def test_a_handler_that_has_returned_emits_nothing(call: str) -> None:
    """A thread that outlives its handler is told so: no commit is left to carry what it does."""
    attempt = make_attempt()
    attempt.finish()
    with pytest.raises(OutsideInvocationError, match=rf"worker\.{call}\(.*wait for your threads"):
        LATE[call](attempt)
    assert attempt.effects == Effects()
    assert attempt.emitted == {}


def test_the_tag_gives_number_and_position() -> None:
    """An attempt knows its number in the job and its place in a merging slot."""
    assert (make_attempt().number, make_attempt().position) == (7, 0)
    assert (make_attempt("merged").number, make_attempt("merged").position) == (7, 3)


def stats(*changes: tuple[str, str | None, Any]) -> list[tuple[str, str, Any]]:
    """What the commit is told of these changes."""
    attempt = make_attempt()
    for change in changes:
        attempt.record_stat(*change)
    attempt.finish()
    return attempt.effects.stats


def test_stats_travel_under_the_routines_index() -> None:
    """Numbers as text, other values packed, in the order of their first change."""
    big = 2**70
    found = stats(("add", "n", 2), ("set", "m", big), ("set", "flag", True), ("set", "text", "x"))
    assert found == [
        ("add", "0.n", "2"), ("number", "0.m", str(big)), ("set", "0.flag", packb(True)),
        ("set", "0.text", packb("x")),
    ]  # fmt: skip


def test_a_stat_is_changed_once_however_often_it_is_added_to() -> None:
    """The commit's work is that of the stats, not of the calls; decimals add up exactly."""
    assert stats(*[("add", "n", 1)] * 10_000) == [("add", "0.n", "10000")]
    assert stats(*[("add", "n", 0.1)] * 10) == [("add", "0.n", "1.0")]
    assert stats(("set", "n", 5), ("add", "n", -2)) == [("number", "0.n", "3")]
    assert stats(("add", "n", 5), ("set", "n", 1)) == [("number", "0.n", "1")]
    assert stats(("set", "n", "text"), ("add", "n", 4)) == [("number", "0.n", "4")]
    assert stats(("add", "n", 5), ("set", "n", "x")) == [("set", "0.n", packb("x"))]


def test_a_reset_takes_what_came_before_with_it() -> None:
    """What comes behind it counts."""
    found = stats(("add", "n", 1), ("set", "m", 1), ("reset", None, None), ("add", "n", 2))
    assert found == [("reset", "0.", ""), ("add", "0.n", "2")]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "1", None, True])
def test_only_finite_numbers_can_be_added(value: Any) -> None:
    """A sum that the store could not hold is refused where it is made."""
    with pytest.raises(EmissionError, match="stat 'n' of 'worker'"):
        make_attempt().record_stat("add", "n", value)


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_a_stat_that_is_no_finite_number_is_refused(value: float) -> None:
    """Setting follows adding."""
    with pytest.raises(EmissionError, match="not finite"):
        make_attempt().record_stat("set", "n", value)


def test_a_stat_that_cannot_be_stored_is_refused() -> None:
    """The error names the call and the value."""
    with pytest.raises(PayloadError, match=r"worker.set_stat\('n'\): params\['value'\] is a"):
        make_attempt().record_stat("set", "n", object())


def test_a_handler_asks_its_surroundings() -> None:
    """Checkpoint, job handle and slot data come from the worker, when they are asked for."""
    attempt = make_attempt()
    assert attempt.checkpoint == {"checkpoint of": "j1"}
    assert attempt.job == "handle of j1"
    assert attempt.slot_data("merged") == {"slot": "merged"}


def test_a_reset_of_the_own_slot_reaches_up_to_this_delivery() -> None:
    """Later deliveries are not lost; of other slots everything so far is consumed."""
    attempt = make_attempt("merged")
    attempt.reset_slot("merged")
    attempt.reset_slot("input")
    assert attempt.effects.resets == [("0.2", 3), ("0.0", -1)]


def test_an_unknown_slot_is_named() -> None:
    """The error lists the slots that there are."""
    with pytest.raises(DefinitionError, match="no slot 'x'; it has input, card, merged"):
        make_attempt().slot_data("x")


def test_the_origin_is_what_feeds_the_slot() -> None:
    """An argument error leads to the connection that should have sent the argument."""
    origin = make_attempt("strict").origin()
    assert origin[:2] == ("worker.strict", "worker.split -> worker.strict sent")
    assert "param_mapping" in origin.remedy


def test_the_origin_tells_an_entry_from_a_delivery() -> None:
    """A slot that is fed by connections may be an entry as well: what emitted the params counts."""
    origin = make_attempt("strict", emitter=0).origin()
    assert origin[:2] == ("worker.strict", "the entry params of the job hold")
    assert "param_mapping" not in origin.remedy


def test_the_origin_is_the_one_connection_of_many_that_has_sent_the_params() -> None:
    """Which event the emitter has used tells; all are named when that is not known any more."""
    flow = FlowGraph("orders")
    flow.add_routine(Worker(), "worker")
    for event in ("done", "result"):
        flow.connect("worker", event, "worker", "strict")
    context = Context()
    plan = Plan(flow.definition())
    attempt = make_attempt("strict", plan=plan, context=context)
    both = "worker.done -> worker.strict or worker.result -> worker.strict sent"
    assert attempt.origin().sender == both
    context.emitted = {2: ["worker.result", "worker.split"]}
    assert attempt.origin().sender == "worker.result -> worker.strict sent"


def test_secret_params_are_masked() -> None:
    """Only the slot's secrets are, and the handler's own params stay."""
    params = {"number": "4111", "pin": 1, "name": "Ann"}
    attempt = make_attempt("card", params)
    shown = attempt.visible_record()
    assert shown is not None
    emitter, visible = read_invocation(shown, "shown")
    assert (emitter, visible) == (2, {"number": "***", "pin": "***", "name": "Ann"})
    assert attempt.params is params


def test_a_handler_starts_a_bounded_number_of_jobs() -> None:
    """The commit creates them all. The definition comes along with the first of each flow."""
    attempt = make_attempt()
    for _ in range(MOST_STARTED):
        attempt.start(FLOW, "it", {}, ChildStart("grown"), None, None, None)
    definitions = [job[-3:] for job in attempt.effects.started_jobs]
    assert definitions[0] == [2, "json", "{}"]
    assert all(job[-1] == 0 for job in attempt.effects.started_jobs[1:])
    with pytest.raises(EmissionError, match="emit to a routine that starts one"):
        attempt.start(FLOW, "it", {}, ChildStart("grown"), None, None, None)


def test_the_name_of_a_stat_can_be_stored() -> None:
    """Half of a surrogate pair would break the commit."""
    attempt = make_attempt()
    attempt.record_stat("add", "größe", 1)
    with pytest.raises(PayloadError, match=r"the name of a stat.* half of a surrogate pair"):
        attempt.record_stat("set", "half \ud800", 1)
