"""The error policy."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.errors import CorruptRecordError, NotRebuildableError, UnknownRoutineClassError
from flowforge.model.error_handler import LONGEST_DELAY, ErrorHandler, ErrorStrategy
from tests.unit.model.samples import ServiceDownError

handlers = st.builds(
    ErrorHandler,
    strategy=st.sampled_from(ErrorStrategy),
    max_retries=st.integers(0, 10**6),
    retry_delay=st.floats(0, 1e9),
    retry_backoff=st.floats(1, 1e9),
    retryable_exceptions=st.lists(
        st.sampled_from([Exception, ValueError, ServiceDownError, KeyboardInterrupt]), max_size=3
    ),
    is_critical=st.booleans(),
    jitter=st.floats(0, 1),
    max_delay=st.none() | st.floats(0, 1e9),
)


@pytest.mark.parametrize(
    "name", ["retry", "RETRY", "Retry", ErrorStrategy.RETRY], ids=["value", "name", "mixed", "enum"]
)
def test_a_strategy_is_given_by_enum_or_name(name: str) -> None:
    """Names count in any case."""
    assert ErrorHandler(name).strategy is ErrorStrategy.RETRY


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"strategy": "again"}, "unknown error strategy 'again'; allowed: 'stop', 'continue'"),
        ({"strategy": None}, "unknown error strategy None"),
        ({"max_retries": -1}, "max_retries must be a whole number >= 0, not -1"),
        ({"max_retries": 1.5}, "max_retries must be a whole number"),
        ({"max_retries": True}, "max_retries must be a whole number"),
        ({"retry_delay": -0.1}, "retry_delay must be >= 0, not -0.1"),
        ({"retry_delay": float("nan")}, "retry_delay must be a finite number"),
        ({"retry_delay": float("inf")}, "retry_delay must be a finite number"),
        ({"retry_delay": "1"}, "retry_delay must be a finite number"),
        ({"retry_backoff": 0.5}, "retry_backoff must be >= 1, not 0.5"),
        ({"jitter": 1.1}, "jitter must be from 0 to 1, not 1.1"),
        ({"max_delay": -1}, "max_delay must be >= 0"),
        ({"is_critical": 1}, "is_critical must be True or False"),
        ({"retryable_exceptions": (int,)}, "<class 'int'> is no exception class"),
        ({"retryable_exceptions": ("ValueError",)}, "'ValueError' is no exception class"),
        ({"retryable_exceptions": None}, "must be an exception class or several, not None"),
    ],
)
def test_a_bad_value_is_refused(values: dict[str, Any], message: str) -> None:
    """ValueError names the field, the value and what is allowed."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        ErrorHandler(**values)
    assert message in str(caught.value)


def test_the_policy_cannot_be_changed() -> None:
    """A handler is shared by invocations, so it holds no state of its own."""
    handler = ErrorHandler()
    with pytest.raises(dataclasses.FrozenInstanceError):
        handler.max_retries = 5  # type: ignore[misc]
    assert dataclasses.replace(handler, max_retries=5).max_retries == 5


def test_a_single_exception_class_is_accepted() -> None:
    """As after ``except``, one class needs no tuple."""
    assert ErrorHandler(retryable_exceptions=KeyError).retryable_exceptions == (KeyError,)


def test_delays_grow_by_the_backoff() -> None:
    """The delay before retry n is retry_delay * retry_backoff**(n-1)."""
    handler = ErrorHandler("retry", retry_delay=0.5, retry_backoff=3)
    assert [handler.delay(n) for n in (1, 2, 3)] == [0.5, 1.5, 4.5]


def test_max_delay_caps_the_growth() -> None:
    """No delay is longer than max_delay, the first included."""
    handler = ErrorHandler("retry", retry_delay=4, retry_backoff=2, max_delay=5)
    assert [handler.delay(n) for n in (1, 2, 9)] == [4, 5, 5]


def test_jitter_only_shortens() -> None:
    """Chance takes away at most the jitter's fraction of a delay."""
    handler = ErrorHandler("retry", retry_delay=10, jitter=0.4)
    assert handler.delay(1, lambda: 0.0) == 10
    assert handler.delay(1, lambda: 1.0) == pytest.approx(6)


@given(handlers, st.integers(1, 10**9), st.floats(0, 1, exclude_max=True))
def test_a_delay_is_always_usable(handler: ErrorHandler, retry: int, chance: float) -> None:
    """No number of retries overflows: delays are finite, not negative and below the cap."""
    delay = handler.delay(retry, lambda: chance)
    assert 0 <= delay <= (LONGEST_DELAY if handler.max_delay is None else handler.max_delay)


def test_retry_until_the_retries_are_used_up() -> None:
    """max_retries=2 makes three attempts: two failures retry, the third stops the job."""
    handler = ErrorHandler("retry", max_retries=2)
    decisions = [handler.decide(OSError(), failures) for failures in (1, 2, 3)]
    assert [(d.action, d.delay) for d in decisions] == [("retry", 1), ("retry", 2), ("stop", 0)]


def test_no_retries_means_one_attempt() -> None:
    """max_retries=0 stops at the first failure."""
    assert ErrorHandler("retry", max_retries=0).decide(OSError(), 1).action == "stop"


def test_only_retryable_exceptions_are_retried() -> None:
    """Another exception stops the job at once, whatever retries are left."""
    handler = ErrorHandler("retry", retryable_exceptions=(ServiceDownError, LookupError))
    assert handler.decide(KeyError("x"), 1).action == "retry"
    assert handler.decide(ValueError("x"), 1).action == "stop"


@pytest.mark.parametrize("strategy", ["stop", "continue", "skip"])
def test_other_strategies_never_retry(strategy: str) -> None:
    """STOP, CONTINUE and SKIP say the same about every failure."""
    decision = ErrorHandler(strategy).decide(OSError(), 1)
    assert (decision.action, decision.delay) == (strategy, 0)


@given(handlers)
def test_a_handler_survives_serialisation(handler: ErrorHandler) -> None:
    """Through JSON and back, every field is the same."""
    record = json.loads(json.dumps(handler.serialize()))
    assert ErrorHandler.deserialize(record) == handler


def test_whole_and_decimal_numbers_serialise_alike() -> None:
    """1 and 1.0 are one policy, so they must not make two definitions."""
    assert json.dumps(ErrorHandler(retry_delay=1).serialize()) == json.dumps(
        ErrorHandler(retry_delay=1.0).serialize()
    )


def test_a_local_exception_class_cannot_be_serialised() -> None:
    """A class that no other process can find is refused, with what to do."""

    class LocalError(Exception):
        pass

    with pytest.raises(NotRebuildableError, match=r"LocalError.*at the top level"):
        ErrorHandler(retryable_exceptions=(LocalError,)).serialize()


@pytest.mark.parametrize("address", ["shop.errors:Down", "builtins:int", "os:system", "x", 3])
def test_an_exception_that_is_not_imported_is_named(address: object) -> None:
    """An address leads to an imported exception class or to an error; nothing is imported."""
    record = {**ErrorHandler().serialize(), "retryable_exceptions": [address]}
    with pytest.raises(UnknownRoutineClassError) as caught:
        ErrorHandler.deserialize(record)
    assert repr(address) in str(caught.value)


@pytest.mark.parametrize("record", [None, [], {}, {"strategy": 1}])
def test_a_record_of_another_shape_is_corrupt(record: Any) -> None:
    """What is no error handler is not taken for the default one."""
    with pytest.raises(CorruptRecordError):
        ErrorHandler.deserialize(record)


def test_exceptions_of_another_shape_are_corrupt() -> None:
    """The exceptions are a list of addresses."""
    with pytest.raises(CorruptRecordError, match="must be a list"):
        ErrorHandler.deserialize({"strategy": "stop", "retryable_exceptions": "builtins:OSError"})
