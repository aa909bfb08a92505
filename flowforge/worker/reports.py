"""What Celery is told of an attempt that has failed: an exception of the task that ran it.

By then the failure is recorded. Celery's part is to tell others of it: signals, events, its log,
and what listens to them. It must neither run the task again nor end its process.
"""

from __future__ import annotations

from dataclasses import dataclass

from billiard.exceptions import Terminated, WorkerLostError
from celery.exceptions import Ignore, Retry, TaskPredicate, TimeLimitExceeded

from flowforge.errors import HandlerError
from flowforge.execution.failure import message_of

#: Errors that Celery acts upon: it would reject the message, take the task for one whose process
#: has been lost, or end the worker.
_ACTED_UPON = (TaskPredicate, Terminated, WorkerLostError, TimeLimitExceeded, MemoryError)


@dataclass(frozen=True)
class Failed:
    """The attempt has failed its job."""

    error: BaseException


@dataclass(frozen=True)
class Retried:
    """The attempt is followed by another after ``delay`` seconds."""

    error: BaseException
    delay: float


@dataclass(frozen=True)
class Uncounted:
    """There was no attempt that counts: another process has the invocation, its job does not go on,
    it was given back, or what was done was not accepted.
    """


def raised(ended: Failed | Retried | Uncounted) -> Exception:
    """What the task raises."""
    if isinstance(ended, Uncounted):
        return Ignore()
    error = _harmless(ended.error)
    return error if isinstance(ended, Failed) else retry_of(error, ended.delay)


def retry_of(error: Exception, delay: float) -> Retry:
    """Celery's word for a task that is run again later."""
    again = Retry(exc=error, when=delay)  # type: ignore[arg-type]
    again.__cause__ = error
    return again


def _harmless(error: BaseException) -> Exception:
    """The error itself, if Celery can print and pass it on and does nothing else with it."""
    if isinstance(error, Exception) and not isinstance(error, _ACTED_UPON) and _can_be_told(error):
        return error
    told = HandlerError(f"{type(error).__qualname__}: {message_of(error)}")
    return told.with_traceback(error.__traceback__)


def _can_be_told(error: Exception) -> bool:
    try:
        str(error), repr(error)
    except BaseException:  # noqa: BLE001 - an error's own methods may raise anything
        return False
    return True
