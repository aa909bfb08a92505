"""Which exception Celery gets for an attempt that has failed."""

from __future__ import annotations

import pytest
from celery.exceptions import Ignore, Reject, Retry

from flowforge.errors import HandlerError
from flowforge.worker.reports import Failed, Retried, Uncounted, raised


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
        (Reject("no", requeue=True), "Reject: "),
        (Ignore("never mind"), "Ignore: "),
        (Retry("again"), "Retry: again"),
        (MemoryError("all used up"), "MemoryError: all used up"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt: "),
        (UnprintableError(), "UnprintableError: <its text cannot be made: SystemExit>"),
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


def test_a_retry_is_celerys_with_the_error_and_the_delay() -> None:
    """Celery prints both, and hands the error to the receivers of its signal."""
    error = ValueError("not now")
    told = raised(Retried(error, 2.5))
    assert isinstance(told, Retry)
    assert (repr(told.exc), told.when) == (repr(error), 2.5)
    assert told.__cause__ is error
