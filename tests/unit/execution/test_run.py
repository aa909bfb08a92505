"""Running one attempt: outcomes, errors by strategy, what is recorded and what is not."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import billiard.common
import pytest
from celery.exceptions import WorkerShutdown, WorkerTerminate
from celery.worker import state

from flowforge.codec.binary import read_invocation, unpack_record
from flowforge.errors import NewerRecordError, PayloadError
from flowforge.execution.attempt import Attempt, NotStartedError
from flowforge.execution.current import current
from flowforge.execution.effects import Effects
from flowforge.execution.late_start import ASKED_AT_MOST, PAUSE_TAKES, SLOW_START
from flowforge.execution.run import HISTORY_PARAMS, Outcome, run
from flowforge.model.error_handler import ErrorHandler
from tests.unit.execution.samples import Context, Worker, make_attempt, make_plan

Action = Callable[[Worker, dict[str, Any]], object]


@pytest.fixture
def act() -> Iterator[Callable[[Action], None]]:
    """Sets what the handlers of this test do."""

    def use(action: Action) -> None:
        Worker.action = staticmethod(action)

    yield use
    Worker.action = None


Use = Callable[[Action], None]


def raising(error: BaseException) -> Action:
    def action(routine: Worker, params: dict[str, Any]) -> None:
        raise error

    return action


def details(outcome: Outcome) -> dict[str, Any]:
    """What is recorded of an attempt. The params are the delivery's record as it is stored."""
    names = ("worker", "attempt", "micros", "emitted", "params", "error")
    found = dict(zip(names, unpack_record(outcome.details, "details", 6), strict=True))
    if found["params"] is not None:
        emitter, found["params"] = read_invocation(found["params"], "params")
        assert emitter == 2
    return found


def problem(outcome: Outcome) -> dict[str, Any]:
    (found,) = unpack_record(outcome.problem, "problem", 1)
    assert isinstance(found, dict)
    return found


# --- what succeeds ---------------------------------------------------------------------------


def test_a_handler_that_returns_is_completed(act: Use) -> None:
    """Its effects are to be committed, and what it did is recorded."""
    act(lambda routine, params: routine.emit("done", **params))
    attempt = make_attempt(params={"id": 1}, attempt_number=2)
    outcome = run(attempt, "w1")
    assert outcome.kind == "completed"
    assert outcome.effects is attempt.effects
    assert len(outcome.effects.emitted) == 1
    assert outcome.micros >= 0
    found = details(outcome)
    assert (found["worker"], found["attempt"], found["emitted"]) == ("w1", 2, {"done": 1})
    assert found["params"] == {"id": 1}
    assert found["error"] is None


def returning(routine: Worker, params: dict[str, Any]) -> dict[str, Any]:
    return params


def generating(routine: Worker, params: dict[str, Any]) -> Iterator[int]:
    yield 1


async def waiting(routine: Worker, params: dict[str, Any]) -> None: ...


def test_what_a_handler_returns_is_warned_of_once(
    act: Use, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes nowhere, and that may not be what was meant."""
    monkeypatch.setattr("flowforge.execution.run._told", set())
    act(returning)
    for _ in range(3):
        assert run(make_attempt(params={"id": 1}), "w1").kind == "completed"
    assert caplog.text.count("worker.input returned dict: a handler's result is what it") == 1


@pytest.mark.parametrize(("action", "kind"), [(generating, "generator"), (waiting, "coroutine")])
@pytest.mark.filterwarnings("error")
def test_a_handler_that_has_not_run_is_an_error(act: Use, action: Action, kind: str) -> None:
    """Nobody would go through a generator or await a coroutine."""
    act(action)
    outcome = run(make_attempt(params={"id": 1}), "w1")
    assert outcome.kind == "failed"
    assert f"worker.input returned {kind}: a handler's result is what it emits" in str(outcome)


def test_a_handler_gets_its_own_bound_routine(act: Use) -> None:
    """What it sets on itself is gone afterwards; the running attempt is known meanwhile."""
    seen: list[Any] = []

    def action(routine: Worker, params: dict[str, Any]) -> None:
        routine.leftover = 1  # type: ignore[attr-defined]
        seen.extend([routine.job_id, routine.attempt, current.get(), routine.checkpoint])

    act(action)
    plan = make_plan()
    attempt = make_attempt(plan=plan, attempt_number=3)
    run(attempt, "w1")
    assert seen == ["j1", 3, attempt, {"checkpoint of": "j1"}]
    assert current.get() is None
    assert not hasattr(plan.routine(0).prototype, "leftover")


def test_cancelled_is_seen_by_the_handler(act: Use) -> None:
    """The heartbeat sets it from another thread."""
    seen: list[bool] = []

    def action(routine: Worker, params: dict[str, Any]) -> None:
        seen.append(routine.cancelled)
        attempt.cancelled = True
        seen.append(routine.cancelled)

    act(action)
    attempt = make_attempt()
    run(attempt, "w1")
    assert seen == [False, True]


# --- errors by strategy ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (None, "failed"),
        (ErrorHandler("stop"), "failed"),
        (ErrorHandler("continue"), "error_continued"),
        (ErrorHandler("skip"), "skipped"),
        (ErrorHandler("retry", max_retries=2), "retried"),
        (ErrorHandler("retry", max_retries=0), "failed"),
        (ErrorHandler("retry", retryable_exceptions=(KeyError,)), "failed"),
    ],
)
def test_an_error_is_handled_by_its_strategy(
    act: Use, handler: ErrorHandler | None, kind: str
) -> None:
    """The flow's handler applies to a routine without one; what was emitted is dropped."""

    def action(routine: Worker, params: dict[str, Any]) -> None:
        routine.emit("done", id=1)
        routine.set_stat("n", 1)
        raise ValueError("no such order")

    act(action)
    outcome = run(make_attempt(handler=handler), "w1")
    assert outcome.kind == kind
    assert outcome.effects == Effects()
    assert outcome.reason == "worker.input: ValueError: no such order"
    found = details(outcome)
    assert found["emitted"] == {}
    assert found["error"][:2] == ["ValueError", "no such order"]
    assert "raise ValueError" in found["error"][2]
    stored = problem(outcome)
    assert (stored["type"], stored["routine_id"], stored["slot"]) == (
        "ValueError", "worker", "input",
    )  # fmt: skip
    assert (stored["invocation"], stored["attempt"]) == (7, 1)


def test_retries_are_counted_per_invocation(act: Use) -> None:
    """The attempt number comes from the store; delays grow; then the job stops."""
    act(raising(ValueError("no")))
    handler = ErrorHandler("retry", max_retries=2, retry_delay=3, retry_backoff=2)
    outcomes = [run(make_attempt(handler=handler, attempt_number=n), "w1") for n in (1, 2, 3)]
    assert [(o.kind, o.delay) for o in outcomes[:2]] == [("retried", 3.0), ("retried", 6.0)]
    assert outcomes[2].kind == "failed"


def test_the_routines_own_handler_wins(act: Use) -> None:
    """The flow's is for routines without one."""
    act(raising(ValueError("no")))
    plan = make_plan(ErrorHandler("stop"))
    prototype = plan.routine(0).prototype
    prototype.set_as_optional()
    own = prototype.get_error_handler()
    attempt = make_attempt(plan=plan)
    object.__setattr__(attempt.routine, "error_handler", own)
    assert run(attempt, "w1").kind == "error_continued"


# --- what handlers raise -------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["bye", 0, 1, -1, -241])
def test_sys_exit_in_a_handler_is_an_error(act: Use, code: str | int) -> None:
    """User code that calls ``sys.exit`` fails its attempt and does not end the worker."""
    act(raising(SystemExit(code)))
    outcome = run(make_attempt(), "w1")
    assert outcome.kind == "failed"
    assert problem(outcome)["type"] == "SystemExit"


def test_a_handler_that_may_not_start_any_more_does_not(act: Use) -> None:
    """The first attempt of a process may have waited long for a ``setup()``; then it asks."""
    act(raising(AssertionError("the handler was called")))
    context = Context()
    context.running = False
    with pytest.raises(NotStartedError):
        run(make_attempt(context=context), "w1")
    assert current.get() is None


def test_a_claim_of_this_moment_is_not_asked_about(act: Use) -> None:
    """Only what took its time costs a question."""
    act(lambda routine, params: None)
    context = Context()
    attempt = make_attempt(context=context)
    assert run(attempt, "w1").kind == "completed"
    context.running = False
    attempt.confirm()
    assert context.asked == 1, "of the first attempt, which waited for setup()"


class Clock:
    """Stands for ``perf_counter``; each look at it, or question, may take its time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, question: float) -> None:
        self.now = 100.0
        self.context = Context()
        monkeypatch.setattr("flowforge.execution.attempt.perf_counter", lambda: self.now)
        answer = self.context.runs

        def runs(job_id: str) -> bool:
            self.now += question
            return answer(job_id)

        monkeypatch.setattr(self.context, "runs", runs)


@pytest.mark.parametrize(
    ("since", "question", "asked"),
    [
        (SLOW_START, 1.0, 0),
        (SLOW_START + 0.001, 0.001, 1),
        (SLOW_START + 0.001, SLOW_START + 0.001, ASKED_AT_MOST),
    ],
    ids=["a fresh claim", "a late reply", "late answers"],
)
def test_a_start_that_is_late_asks_again(
    monkeypatch: pytest.MonkeyPatch, since: float, question: float, asked: int
) -> None:
    """Counted from when the claim was asked for; again when the answer is late, to an end."""
    clock = Clock(monkeypatch, question)
    make_attempt(context=clock.context, asked=clock.now - since).confirm()
    assert clock.context.asked == asked


def test_a_late_start_of_a_job_that_was_paused_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was claimed before the pause, which has returned by now."""
    clock = Clock(monkeypatch, 0.0)
    clock.context.running = False
    attempt = make_attempt(context=clock.context, asked=clock.now - PAUSE_TAKES)
    with pytest.raises(NotStartedError):
        attempt.confirm()


def test_a_late_start_with_a_lease_that_was_lost_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another attempt runs by now, as the time of this one was over before its handler began."""
    clock = Clock(monkeypatch, 0.0)
    attempt = make_attempt(context=clock.context, asked=clock.now - 60)
    attempt.cancelled = True
    with pytest.raises(NotStartedError):
        attempt.confirm()


def test_a_late_start_has_no_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts from the claim, as the server counts it, and not from the latest question."""
    clock = Clock(monkeypatch, 0.0)
    slot = replace(make_attempt().slot, timeout_ms=30_000)
    attempt = make_attempt(context=clock.context, asked=clock.now - 20)
    attempt.slot = slot
    attempt.confirm(waited=True)
    assert attempt.ends_at == clock.now + 10


def test_a_signal_to_a_child_of_the_pool_ends_it(act: Use) -> None:
    """billiard raises a plain SystemExit in its handler of signals, wherever the child is then."""
    common: Any = billiard.common
    act(lambda routine, params: common._shutdown_cleanup(signal.SIGUSR2, None))
    before = signal.getsignal(signal.SIGUSR2)
    try:
        with pytest.raises(SystemExit):
            run(make_attempt(), "w1")
    finally:
        common.clear_terminate_handler_fired()
        signal.signal(signal.SIGUSR2, before)


class DocoptExit(SystemExit):
    """What a library of command lines ends a program by."""


class GreenletExit(BaseException):
    """Of the greenlet library where a test puts it there, else a user's own of that name."""


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt("stop"),
        GeneratorExit("closed"),
        DocoptExit("Usage: prog FILE"),
        GreenletExit(),
        WorkerShutdown(0),
        WorkerTerminate(1),
        NewerRecordError("upgrade the handler"),
        NotStartedError(),
    ],
    ids=repr,
)
def test_what_a_handler_raises_itself_is_its_error(act: Use, error: BaseException) -> None:
    """Celery takes signals in handlers of its own: none of these comes from one."""
    act(raising(error))
    outcome = run(make_attempt(), "w1")
    assert outcome.kind == "failed"
    assert problem(outcome)["type"].rpartition(".")[2] == type(error).__name__


def test_what_ends_a_worker_passes_through(act: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery's signals are not an outcome of the attempt; its lease expires instead."""
    monkeypatch.setattr(state, "should_terminate", 1)
    act(lambda routine, params: state.maybe_shutdown())
    with pytest.raises(WorkerTerminate):
        run(make_attempt(), "w1")
    assert current.get() is None


def test_so_does_what_ends_a_greenlet(act: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the class that the library has, which is known where it is imported."""
    library = ModuleType("greenlet")
    monkeypatch.setattr(library, "GreenletExit", GreenletExit, raising=False)
    monkeypatch.setitem(sys.modules, "greenlet", library)
    act(raising(GreenletExit()))
    with pytest.raises(GreenletExit):
        run(make_attempt(), "w1")


def test_a_record_that_a_handler_asks_for_may_be_for_another_worker(
    act: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What FlowForge cannot read for it is no error of the handler, which lets it through."""

    def unread(self: Context, job_id: str) -> Any:
        raise NewerRecordError("upgrade the worker")

    monkeypatch.setattr(Context, "checkpoint", unread)
    act(lambda routine, params: routine.checkpoint)
    with pytest.raises(NewerRecordError, match="upgrade the worker"):
        run(make_attempt(), "w1")


class SilentError(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_error_that_cannot_be_printed_is_an_outcome(act: Use) -> None:
    """A broken ``__str__`` does not keep the failure from being recorded."""
    act(raising(SilentError()))
    outcome = run(make_attempt(handler=ErrorHandler("continue")), "w1")
    assert outcome.kind == "error_continued"
    assert problem(outcome)["type"].endswith("SilentError")


def test_an_error_with_half_a_character_is_an_outcome(act: Use) -> None:
    """File names that are no UTF-8 occur in messages; they neither break records nor commands."""
    act(raising(ValueError("no such file: caf\udce9")))
    # Suppressed, since half a character in a report would end a parallel run of the tests.
    outcome = None
    with contextlib.suppress(UnicodeEncodeError):
        outcome = run(make_attempt(), "w1")
    assert outcome is not None, "the failure was not recorded"
    assert outcome.kind == "failed"
    assert "no such file" in problem(outcome)["message"]
    outcome.reason.encode()


def test_a_long_message_is_cut(act: Use) -> None:
    """A record stays small whatever is raised."""
    act(raising(ValueError("x" * 100_000)))
    outcome = run(make_attempt(), "w1")
    assert len(outcome.problem) < 20_000
    assert len(outcome.reason) <= 500


def test_an_argument_error_names_what_should_have_sent_it(act: Use) -> None:
    """A missing argument is an error of that invocation and leads to the connection."""
    act(lambda routine, params: None)
    outcome = run(make_attempt("strict", {"order_id": "1", "extra": 2}), "w1")
    assert outcome.kind == "failed"
    message = problem(outcome)["message"]
    assert message.startswith(
        "worker.strict was called without 'amount'; worker.split -> worker.strict sent 'order_id', "
        "'extra': "
    )


def test_an_undeclared_event_is_an_error_of_the_handler(act: Use) -> None:
    """Emitting what was not declared fails the attempt."""
    act(lambda routine, params: routine.emit("nothing"))
    outcome = run(make_attempt(), "w1")
    assert problem(outcome)["type"].endswith("EmissionError")


def test_an_emission_error_can_be_caught(act: Use) -> None:
    """A handler may go on after a value that cannot travel; what was fine before is kept."""

    def action(routine: Worker, params: dict[str, Any]) -> None:
        routine.emit("done", id=1)
        with pytest.raises(PayloadError):
            routine.emit("done", id=object())
        routine.emit("done", id=2)

    act(action)
    outcome = run(make_attempt(), "w1")
    assert outcome.kind == "completed"
    assert len(outcome.effects.emitted) == 2


# --- what reaches the history --------------------------------------------------------------------


def test_secrets_reach_neither_history_nor_errors(act: Use) -> None:
    """Neither params, nor message, nor traceback, nor reason show a secret's value."""
    secret = "4111 1111\n1111"
    params = {"number": secret, "pin": 123456, "name": "Ann"}
    act(lambda routine, params: (_ for _ in ()).throw(KeyError(params["number"])))
    outcome = run(make_attempt("card", params), "w1")
    everything = outcome.details + outcome.problem + outcome.reason.encode()
    assert b"4111" not in everything
    assert details(outcome)["params"] == {"number": "***", "pin": "***", "name": "Ann"}
    act(lambda routine, params: (_ for _ in ()).throw(ValueError(f"pin {params['pin']}")))
    outcome = run(make_attempt("card", params), "w1")
    assert b"123456" not in outcome.details + outcome.problem + outcome.reason.encode()


def test_secrets_of_a_cause_are_hidden(act: Use) -> None:
    """A traceback shows chained errors as well."""

    def action(routine: Worker, params: dict[str, Any]) -> None:
        try:
            raise ValueError(f"bad card {params['number']}")
        except ValueError as error:
            raise RuntimeError("refused") from error

    act(action)
    outcome = run(make_attempt("card", {"number": "4111-2222"}), "w1")
    assert b"4111-2222" not in outcome.details + outcome.problem


def test_large_params_are_not_recorded(act: Use) -> None:
    """The history keeps what is small."""
    act(lambda routine, params: None)
    outcome = run(make_attempt(params={"a": b"x" * HISTORY_PARAMS}), "w1")
    assert details(outcome)["params"] is None


def test_the_history_shows_what_was_delivered(act: Use) -> None:
    """A handler may change the dict that it received; the record says what came in."""

    def action(routine: Worker, params: dict[str, Any]) -> None:
        params["id"] = 2
        params["more"] = "x" * 100_000

    act(action)
    outcome = run(make_attempt("whole", {"id": 1}), "w1")
    assert details(outcome)["params"] == {"id": 1}


@pytest.mark.parametrize("fails", [False, True])
def test_params_that_a_handler_filled_do_not_break_the_record(act: Use, fails: bool) -> None:
    """A handler may keep a connection in the dict it received; the attempt ends all the same."""

    def action(routine: Worker, params: dict[str, Any]) -> None:
        params["connection"] = object()
        if fails:
            raise ValueError("no")

    act(action)
    outcome = run(make_attempt("whole", {"id": 1}), "w1")
    assert outcome.kind == ("failed" if fails else "completed")


def test_a_merged_delivery_records_its_own_part(act: Use) -> None:
    """The history of N deliveries to a merging slot does not grow with the square of N."""
    act(lambda routine, params: None)
    attempt: Attempt = make_attempt("merged", {"row": 1})
    attempt.params = {"row": list(range(10_000))}
    outcome = run(attempt, "w1")
    assert details(outcome)["params"] in ({"row": 1}, None)


def test_what_a_merge_made_does_not_break_the_record(act: Use) -> None:
    """A merge function may return values that cannot travel; the handler gets them."""
    seen: list[Any] = []
    act(lambda routine, params: seen.append(params["rows"]))
    attempt = make_attempt("merged", {"row": 1})
    attempt.params = {"rows": frozenset({1})}
    assert run(attempt, "w1").kind == "completed"
    assert seen == [frozenset({1})]


# --- setup() -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "attempt", "kind"),
    [
        ("stop", 1, "failed"),
        ("continue", 1, "failed"),
        ("skip", 1, "failed"),
        ("retry", 1, "retried"),
        ("retry", 2, "failed"),
    ],
)
def test_a_setup_that_fails_is_retried_and_never_passed_over(
    act: Use, monkeypatch: pytest.MonkeyPatch, strategy: str, attempt: int, kind: str
) -> None:
    """Nothing of the routine can run without it, so that CONTINUE would skip all of its work."""
    ran: list[str] = []
    act(lambda routine, params: ran.append("handler"))

    def setup(self: Worker) -> None:
        raise ConnectionError("the database is away")

    monkeypatch.setattr(Worker, "setup", setup)
    handler = ErrorHandler(strategy, max_retries=1)
    outcome = run(make_attempt(handler=handler, attempt_number=attempt), "w1")
    assert (outcome.kind, ran) == (kind, [])
    assert outcome.reason == "worker.setup(): ConnectionError: the database is away"
