"""Recording a failure does not fail, whatever the exception is and whatever the secrets are."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from time import perf_counter
from typing import Any

import pytest

from flowforge.codec import unpack_record
from flowforge.execution.run import Outcome, failed
from flowforge.model.error_handler import ErrorHandler
from tests.unit.execution.samples import make_delivery


def raised(
    error: BaseException, slot: str = "input", params: Any = None, strategy: str = "continue"
) -> Outcome:
    """The outcome of an attempt that raised ``error``, which has a traceback then."""
    delivery = make_delivery(slot, params, ErrorHandler(strategy))
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001 - any is to be recorded
        return failed(delivery, "w1", caught, perf_counter())


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


def noted() -> Exception:
    error = ValueError("x")
    error.__notes__ = 5  # type: ignore[assignment]
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


class Stopping(SystemExit):
    """Stands for Celery's own."""


class StoppedError(Exception):
    """An error during whose printing the worker is told to stop."""

    def __str__(self) -> str:
        raise Stopping


def test_a_worker_that_is_told_to_stop_stops() -> None:
    """A signal that strikes while a failure is written down is no part of the failure."""
    with pytest.raises(Stopping):
        raised(StoppedError())
