"""How an attempt that has failed is reported to Celery: by an exception of the task that ran it.

By then the failure is recorded. Celery's part is to tell others of it: signals, events, its log,
and what listens to them. It must neither run the task again nor end its process.
"""

from __future__ import annotations

import pickle
import traceback
from dataclasses import dataclass
from typing import cast

from billiard.einfo import ExceptionWithTraceback  # type: ignore[attr-defined]
from billiard.exceptions import Terminated, WorkerLostError
from celery.exceptions import Ignore, Retry, TaskPredicate, TimeLimitExceeded
from celery.utils.serialization import (
    get_pickleable_etype,
    get_pickleable_exception,
    get_pickled_exception,
)

from flowforge.common.true_attributes import traceback_of
from flowforge.errors import HandlerError
from flowforge.execution.ending import ends_worker
from flowforge.execution.failure import MESSAGE_LIMIT, message_of, type_of

#: Errors that Celery acts upon: it would reject the message, take the task for one whose process
#: has been lost, or end the worker.
_ACTED_UPON = (
    TaskPredicate, Terminated, WorkerLostError, TimeLimitExceeded, MemoryError, SystemExit,
    KeyboardInterrupt,
)  # fmt: skip


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
    error = harmless(ended.error)
    return error if isinstance(ended, Failed) else retry_of(error, ended.delay)


def retry_of(error: Exception, delay: float) -> Retry:
    """Celery's word for a task that is run again later."""
    again = Retry(exc=error, when=delay)  # type: ignore[arg-type]
    again.__cause__ = error
    return again


def harmless(error: BaseException) -> Exception:
    """The error itself, if Celery can print and pass it on and does nothing else with it."""
    if issubclass(type(error), Exception):
        found = cast(Exception, error)
        if _is_harmless(found):
            return found
    reported = HandlerError(f"{type_of(error)}: {message_of(error)[:MESSAGE_LIMIT]}")
    return reported.with_traceback(traceback_of(error))


def _is_harmless(error: Exception) -> bool:
    """Whether all works that Celery does with an exception, in this process and the main one.

    It is done here first, with Celery's own functions: the exception's class and what it holds or
    points to may be anybody's code, and in Celery's hands only an ``Exception`` does no harm.
    """
    try:
        if _is_acted_upon(error):
            return False
        bool(error)
        sent = get_pickleable_exception(error)
        lines = traceback.format_exception(
            get_pickleable_etype(type(error)), sent, traceback_of(error)
        )
        pickled = pickle.dumps(ExceptionWithTraceback(sent, "".join(lines)))
        arrived = pickle.loads(pickled)  # noqa: S301 - pickled in the line above
        for one in (error, sent, sent.__traceback__, arrived, get_pickled_exception(arrived)):
            str(one), repr(one)
        return issubclass(type(arrived), Exception) and not _is_acted_upon(arrived)
    except BaseException as broken:
        if ends_worker(broken):
            raise
        return False


def _is_acted_upon(error: object) -> bool:
    # By its class, and by what it says of itself, which Celery asks.
    return issubclass(type(error), _ACTED_UPON) or isinstance(error, _ACTED_UPON)
