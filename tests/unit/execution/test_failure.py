"""Recording a failure does not fail, whatever the exception is and whatever the secrets are."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from time import perf_counter
from typing import Any

import pytest
from celery.exceptions import WorkerShutdown, WorkerTerminate
from celery.worker import state

from flowforge.codec.binary import unpack_record
from flowforge.errors import NewerRecordError
from flowforge.execution.attempt import NotStartedError
from flowforge.execution.run import Outcome, failed
from flowforge.model.error_handler import ErrorHandler
from tests.unit.execution.samples import make_attempt


def raised(
    error: BaseException, slot: str = "input", params: Any = None, strategy: str = "continue"
) -> Outcome:
    """The outcome of an attempt that raised ``error``, which has a traceback then."""
    attempt = make_attempt(slot, params, ErrorHandler(strategy))
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001 - any is to be recorded
        return failed(attempt, "w1", caught, perf_counter())


def problem(outcome: Outcome) -> dict[str, Any]:
    (found,) = unpack_record(outcome.problem, "problem", 1)
    assert isinstance(found, dict)
    return found


class ExitingError(Exception):
    """An error whose text ends the process that asks for it."""

    def __str__(self) -> str:
        raise SystemExit(3)


class PretendingError(Exception):
    """An error that does not say what it is either."""

    def __str__(self) -> str:
        raise KeyboardInterrupt

    @property
    def __class__(self) -> type:  # type: ignore[override]
        raise RuntimeError("no class")

    @property
    def __traceback__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no traceback")


class Shouting(str):
    """A text that does not let itself be encoded."""

    __slots__ = ()

    def encode(self, *options: Any) -> bytes:
        raise RuntimeError("no bytes")


class ShoutingError(Exception):
    """An error whose text is no plain one."""

    def __str__(self) -> str:
        return Shouting("loud")


class ClosedError(Exception):
    """An error of which no attribute can be read."""

    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(4)


class CausedError(Exception):
    """An error whose cause interrupts the process that asks for it."""

    @property
    def __cause__(self) -> Any:  # type: ignore[override]
        raise KeyboardInterrupt


class Answering(type):
    """A class of classes of which nothing can be asked."""

    def __instancecheck__(cls, instance: object) -> bool:
        raise SystemExit(1)

    def __getattribute__(cls, name: str) -> Any:
        raise SystemExit(2)

    def __eq__(cls, other: object) -> bool:
        raise SystemExit(3)

    __hash__ = type.__hash__


def answering() -> Exception:
    """An error whose class ends the process that asks it for its name, as pytest would here."""
    return Answering("AnsweringError", (Exception,), {})("x")  # type: ignore[no-any-return]


class ReducedError(Exception):
    """An error that ends the process that pickles it."""

    def __reduce__(self) -> Any:
        raise SystemExit(3)


class ReplacedError(Exception):
    """An error that is another one when it arrives in another process."""

    def __reduce__(self) -> Any:
        return SystemExit, (3,)


class EmptyGroup(ExceptionGroup[Exception]):
    """A group that ends the process that looks for what is in it."""

    @property
    def exceptions(self) -> Any:  # type: ignore[override]
        raise SystemExit(5)


class FixedError(Exception):
    """An error that ends the process that sets something of it."""

    def __setattr__(self, name: str, value: Any) -> None:
        raise SystemExit(5)


class HollowError(Exception):
    """An error that has no truth."""

    def __bool__(self) -> bool:
        raise SystemExit(5)


class DocoptExit(SystemExit):
    """What a library of command lines ends a program by."""


class GreenletExit(Exception):  # noqa: N818 - the library's name
    """A class of a user's that bears the name of the greenlet library's."""


def noted() -> Exception:
    error = ValueError("x")
    error.__notes__ = 5  # type: ignore[assignment]
    return error


def caused_by(cause: BaseException) -> Exception:
    error = ValueError("x")
    error.__cause__ = cause
    return error


def chained() -> Exception:
    error: Exception = ValueError("the first")
    for number in range(3000):
        outer = ValueError(number)
        outer.__cause__ = error
        error = outer
    return error


def grouped() -> Exception:
    error = ExceptionGroup("the innermost", [ValueError("x")])
    for _ in range(600):
        error = ExceptionGroup("more", [error])
    return error


STRANGE: dict[str, Callable[[], BaseException]] = {
    "the text exits": ExitingError,
    "nothing can be asked of it": PretendingError,
    "the text is a subclass of str": ShoutingError,
    "nothing of it can be read": lambda: ClosedError("x"),
    "its cause interrupts": lambda: CausedError("x"),
    "its class answers nothing": answering,
    "it exits when it is pickled": lambda: ReducedError("x"),
    "it becomes an exit when it is unpickled": lambda: ReplacedError("x"),
    "a group that exits": lambda: EmptyGroup("g", [ValueError("x")]),
    "it exits when it is changed": lambda: FixedError("x"),
    "it has no truth": lambda: HollowError("x"),
    "an argument that exits": lambda: ValueError(ReducedError("x")),
    "a cause that exits": lambda: caused_by(ClosedError()),
    "a library's exit": lambda: DocoptExit("Usage: prog FILE"),
    "a GreenletExit of one's own": lambda: GreenletExit("mine"),
    "Celery's shutdown": lambda: WorkerShutdown(0),
    "Celery's termination": lambda: WorkerTerminate(1),
    "a newer record": lambda: NewerRecordError("upgrade the handler"),
    "a handler that was not started": lambda: NotStartedError("x"),
    "a syntax error at no line": lambda: SyntaxError("m", ("f.py", 1, "x", "text")),
    "a syntax error of odd offsets": lambda: SyntaxError("m", ("f", -9, -9, "t", -5, 10**30)),
    "notes that are no list": noted,
    "three thousand causes": chained,
    "a deep group": grouped,
    "half a character in the name": lambda: type("E", (Exception,), {"__qualname__": "\ud800"})(
        "x"
    ),
    "a module that is no text": lambda: type("E", (Exception,), {"__module__": 5})("x"),
    "a long name": lambda: type("E" * 1_000_000, (Exception,), {})("x"),
    "a long message": lambda: ValueError("x" * 20_000_000),
    "an int beyond Python's digits": lambda: ValueError(10**5000),
    "half a character": lambda: ValueError("caf\udce9"),
}


@pytest.mark.attack(what="Exceptions whose text, notes, causes or class fail, exit or are huge")
@pytest.mark.parametrize("slot", ["input", "card"])
@pytest.mark.parametrize("name", STRANGE)
def test_no_exception_keeps_its_failure_from_being_recorded(name: str, slot: str) -> None:
    """The error handler decides on it as on any other, and its record can be read."""
    # Suppressed, since half a character in a report would end a parallel run of the tests.
    outcome = None
    with contextlib.suppress(UnicodeEncodeError):
        outcome = raised(STRANGE[name](), slot, {"number": "4111-2222"})
    assert outcome is not None, "the failure was not recorded"
    assert outcome.kind == "error_continued"
    stored = problem(outcome)
    assert stored["type"]
    assert stored["message"]
    assert stored["traceback"]
    assert len(outcome.problem) < 20_000
    assert unpack_record(outcome.details, "details", 6)[5][0] == stored["type"]


def nested(levels: int, innermost: Any) -> Any:
    value = innermost
    for _ in range(levels):
        value = [value]
    return value


UNSEARCHABLE: dict[str, Any] = {
    "an int beyond Python's digits": 10**5000,
    "such an int in lists": [1, [-(10**4400)]],
    "one mebibyte under many lists": nested(400, "x" * 1_000_000),
}


@pytest.mark.attack(what="Secrets that cannot be written out, or would fill the worker's memory")
@pytest.mark.parametrize("name", UNSEARCHABLE)
def test_what_cannot_be_searched_for_is_not_told(name: str) -> None:
    """The failure is recorded with its place and without its message."""
    outcome = raised(ValueError("may be the secret"), "card", {"number": UNSEARCHABLE[name]})
    assert outcome.kind == "error_continued"
    stored = problem(outcome)
    assert stored["message"] == "(not told: the slot has secret params)"
    assert "in raised" in stored["traceback"]
    assert "may be" not in str(stored) + outcome.reason


def test_a_retry_is_decided_without_asking_the_exception() -> None:
    """What an exception says its class is does not matter, as in an ``except`` clause."""
    handler = ErrorHandler("retry", retryable_exceptions=(PretendingError,))
    assert handler.is_retryable(PretendingError())
    assert not ErrorHandler("retry", retryable_exceptions=(KeyError,)).is_retryable(
        PretendingError()
    )


class StoppedError(Exception):
    """An error during whose printing the worker is told to stop."""

    def __str__(self) -> str:
        state.maybe_shutdown()
        return "not stopped"


def test_a_worker_that_is_told_to_stop_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that strikes while a failure is written down is no part of the failure."""
    monkeypatch.setattr(state, "should_stop", 0)
    with pytest.raises(WorkerShutdown):
        raised(StoppedError())


def test_a_retry_is_decided_whatever_the_class_answers() -> None:
    """One that is not retryable fails its job, though its class tells no name."""
    outcome = raised(answering(), strategy="retry")
    assert outcome.kind == "retry"
    attempt = make_attempt(
        handler=ErrorHandler("retry", retryable_exceptions=(ValueError, KeyError))
    )
    assert failed(attempt, "w1", answering(), perf_counter()).kind == "stop"


def test_the_place_of_an_error_that_hides_its_traceback_is_told() -> None:
    """Also where secrets are looked for in its text, which it holds."""
    for slot in ("input", "card"):
        outcome = raised(SecretiveError("4111-2222"), slot, {"number": "4111-2222"})
        assert "in raised" in problem(outcome)["traceback"]
        assert outcome.error is not None


class SecretiveError(Exception):
    """An error that shows its message, and no traceback."""

    @property
    def __traceback__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no traceback")
