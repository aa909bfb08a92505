"""Recording a failure does not fail, whatever the exception is and whatever the secrets are."""

from __future__ import annotations

import contextlib
import json
import urllib.parse
from collections.abc import Callable
from time import perf_counter
from typing import Any

import pytest
from celery.exceptions import WorkerShutdown
from celery.worker import state

from flowforge.codec.binary import unpack_record
from flowforge.execution.run import Outcome, failed
from flowforge.model.error_handler import ErrorHandler
from flowforge.model.jobs.error_group import ErrorSample
from tests.unit.execution.samples import make_attempt
from tests.unit.execution.strange_errors import STRANGE, UNSEARCHABLE, PretendingError, answering


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


@pytest.mark.attack(what="Exceptions whose text, notes, causes or class fail, exit or are huge")
@pytest.mark.parametrize("slot", ["input", "card"])
@pytest.mark.parametrize("name", STRANGE)
def test_no_exception_keeps_its_failure_from_being_recorded(name: str, slot: str) -> None:
    """The error handler decides as on any exception, and the record can be read."""
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


@pytest.mark.attack(what="Secrets that cannot be written out, or would fill the worker's memory")
@pytest.mark.parametrize("name", UNSEARCHABLE)
def test_what_cannot_be_searched_for_is_not_told(name: str) -> None:
    """The failure is recorded with its frames and without its message."""
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
    assert outcome.kind == "retried"
    attempt = make_attempt(
        handler=ErrorHandler("retry", retryable_exceptions=(ValueError, KeyError))
    )
    assert failed(attempt, "w1", answering(), perf_counter()).kind == "failed"


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


def test_a_sample_names_the_cause_and_hides_the_secrets() -> None:
    """The message is bounded; the group depends on the cause alone."""
    first, second = (
        raised(ValueError(f"4111-2222 {number} " + "x" * 900), "card", {"number": "4111-2222"})
        for number in range(2)
    )
    assert isinstance(first.sample, ErrorSample)
    assert isinstance(second.sample, ErrorSample)
    assert first.sample.message.startswith("*** 0 x")
    assert len(first.sample.message) == 500
    assert first.sample[:4] == second.sample[:4]
    assert first.sample.at == f"{__name__}.raised"
    assert raised(KeyError()).sample[:1] != first.sample[:1]


SECRET = "key-'4111'\n\"grün\\\u202eend & more"

WRITTEN: dict[str, Callable[[str], str]] = {
    "repr": repr,
    "repr of a text": lambda secret: repr(f"with {secret}"),
    "ascii": lambda secret: ascii(f"with {secret}"),
    "json": json.dumps,
    "json of a text": lambda secret: json.dumps(f"with {secret}", ensure_ascii=False),
    "path": lambda secret: "https://shop/cards/" + urllib.parse.quote(secret),
    "quoted": lambda secret: "https://shop/?card=" + urllib.parse.quote(secret, safe=""),
    "query": lambda secret: "https://shop/?" + urllib.parse.urlencode({"card": secret}),
    "indented": lambda secret: secret.replace("\n", "\n  | "),
}


@pytest.mark.attack(what="Secrets that look otherwise in a text: in JSON, a URL, an indented group")
@pytest.mark.parametrize("way", WRITTEN)
@pytest.mark.parametrize("number", [SECRET, SECRET.encode(), {"held": [SECRET]}])
def test_a_secret_is_blanked_out_however_a_text_has_it(way: str, number: Any) -> None:
    """An HTTP client tells the URL, another one the body that it has sent."""
    stored = problem(raised(ValueError(WRITTEN[way](SECRET)), "card", {"number": number}))
    for part in ("4111", "more"):
        assert part not in stored["message"] + stored["traceback"]


def test_a_multi_line_secret_is_blanked_out_of_a_group() -> None:
    """Whose traceback indents each line of its message."""
    error = ExceptionGroup(SECRET, [ValueError(SECRET), KeyError(SECRET)])
    stored = problem(raised(error, "card", {"number": SECRET}))
    for part in ("4111", "more"):
        assert part not in stored["message"] + stored["traceback"]


def test_the_names_of_an_error_show_no_secret() -> None:
    """A program may make a class, or compile code, with what it was given."""
    secret = "4111-2222" + "x" * 400
    cls = type(f"Bad{secret}", (Exception,), {})
    run = compile("raise cls", secret, "exec")
    attempt = make_attempt("card", {"number": secret}, ErrorHandler("stop"))
    try:
        exec(run, {"cls": cls})  # noqa: S102 - so that a file is called what the test says
    except Exception as caught:  # noqa: BLE001 - its class is made here
        outcome = failed(attempt, "w1", caught, perf_counter())
    assert "4111" not in repr((problem(outcome), outcome.sample, outcome.reason))
    assert problem(outcome)["type"].endswith("Bad***")
