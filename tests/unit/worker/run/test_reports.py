"""Which exception Celery gets for an attempt that has failed."""

from __future__ import annotations

import contextlib
import pickle
import threading
from typing import Any

import pytest
from billiard.einfo import ExceptionInfo
from celery.exceptions import Ignore, Reject, Retry
from celery.utils.serialization import (
    get_pickleable_etype,
    get_pickleable_exception,
    get_pickled_exception,
)

from flowforge.common.true_attributes import traceback_of
from flowforge.errors import HandlerError
from flowforge.worker.run.reports import Failed, Retried, Uncounted, raised
from tests.unit.execution.strange_errors import STRANGE


class UnprintableError(Exception):
    """Ends whoever prints it."""

    def __str__(self) -> str:
        raise SystemExit(3)


def test_an_error_is_told_as_it_is() -> None:
    """The same object, so that its traceback is the handler's."""
    error = KeyError("x")
    assert raised(Failed(error)) is error


def test_nothing_is_told_of_what_counts_for_nothing() -> None:
    """Celery neither sends a signal nor logs a success."""
    assert isinstance(raised(Uncounted()), Ignore)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Reject("no", requeue=True), "celery.exceptions.Reject: "),
        (Ignore("never mind"), "celery.exceptions.Ignore: "),
        (Retry("again"), "celery.exceptions.Retry: again"),
        (MemoryError("all used up"), "MemoryError: all used up"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt: "),
        (UnprintableError(), f"{__name__}.UnprintableError: <its text cannot be made: SystemExit>"),
    ],
)
def test_one_that_celery_would_act_upon_is_told_as_text(error: BaseException, text: str) -> None:
    """With the traceback of the error in whose place it stands."""
    with pytest.raises(type(error)):
        raise error
    told = raised(Failed(error))
    assert type(told) is HandlerError
    assert str(told).startswith(text)
    assert told.__traceback__ is error.__traceback__


class OrdinaryError(Exception):
    """An error that is made from other arguments than it keeps, and can be pickled."""

    def __init__(self, code: int, where: str) -> None:
        super().__init__(f"{code} at {where}")
        self.code, self.where = code, where

    def __reduce__(self) -> tuple[Any, ...]:
        return OrdinaryError, (self.code, self.where)


class TwoPartsError(Exception):
    """An error that can be pickled but not made again of that, as many are."""

    def __init__(self, code: int, where: str) -> None:
        super().__init__(f"{code} at {where}")


@pytest.mark.parametrize(
    "error",
    [
        OrdinaryError(3, "sea"),
        TwoPartsError(3, "sea"),
        ExceptionGroup("both", [ValueError("x"), KeyError("y")]),
        ValueError(threading.Lock()),
        OSError(2, "no such file"),
        UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_ordinary_errors_arrive_as_themselves(error: Exception) -> None:
    """Whether they can be pickled or not: Celery sees to that."""
    error.__cause__ = ValueError("the cause")
    with pytest.raises(type(error)):
        raise error
    before = traceback_of(error)
    assert raised(Failed(error)) is error
    assert traceback_of(error) is before


@pytest.mark.attack(
    what="Exceptions that fail or exit when they are pickled, read, printed or followed"
)
@pytest.mark.parametrize("name", STRANGE)
def test_celery_does_all_it_does_with_what_it_is_told(name: str) -> None:
    """Only an ``Exception`` results, in the child process and in the main one."""
    try:
        raise STRANGE[name]()
    except BaseException as error:  # noqa: BLE001 - any is to be told
        told = raised(Failed(error))
        again = raised(Retried(error, 1.0))
    with contextlib.suppress(Exception):
        passed_on(told)
    with contextlib.suppress(Exception):
        passed_on(again)


def passed_on(error: Exception) -> None:
    """As Celery's tracer and the request in the main process do."""
    try:
        raise error
    except Exception as caught:  # noqa: BLE001 - it was raised for that
        sent = get_pickleable_exception(caught)
        kind = get_pickleable_etype(type(caught))
        seen = ExceptionInfo((kind, sent, sent.__traceback__))
    arrived = pickle.loads(pickle.dumps(seen)).exception  # noqa: S301 - of this process
    for one in (error, arrived, get_pickled_exception(arrived)):
        str(one), repr(one)
        assert not isinstance(one, (SystemExit, KeyboardInterrupt))


def test_a_retry_is_celerys_with_the_error_and_the_delay() -> None:
    """Celery prints both, and hands the error to the receivers of its signal."""
    error = ValueError("not now")
    told = raised(Retried(error, 2.5))
    assert isinstance(told, Retry)
    assert (repr(told.exc), told.when) == (repr(error), 2.5)
    assert told.__cause__ is error
