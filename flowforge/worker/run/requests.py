"""An invocation in a worker's main process: what Celery decides there reaches the job.

Celery hands tasks to the pool, and revokes, terminates and times them out, by their requests, which
know nothing of jobs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from billiard.einfo import ExceptionInfo, ExceptionWithTraceback  # type: ignore[attr-defined]
from celery import exceptions, signals
from celery.worker import state
from celery.worker.request import Request

from flowforge.errors import StoreUnavailableError
from flowforge.model.invocation_id import lease_of
from flowforge.store.lease_tokens import next_token
from flowforge.worker.run.recording import Ended
from flowforge.worker.run.reports import Failed, Retried, Uncounted, harmless, raised, retry_of
from flowforge.worker.run.runtime import Runtime
from flowforge.worker.run.task import TOKEN

logger = logging.getLogger(__name__)

#: Seconds until the server is asked again how much time an attempt has.
_AGAIN = 1.0


class TimeLimitExceeded(exceptions.TimeLimitExceeded):
    """Celery's, with a text that says what happened. ``args``: the limit in seconds."""

    def __str__(self) -> str:
        return f"the hard time limit of {self.args[0]:g} s was over, and the process was ended"


# What error handlers and a job's error know it as.
TimeLimitExceeded.__module__ = exceptions.__name__


class InvocationRequest(Request):
    """The request of an invocation task."""

    # Celery's own, which its type stubs do not have.
    task: Any
    _announce_revoked: Callable[..., None]
    _apply_result: Any
    _context: Any
    _eventer: Any
    _request_dict: dict[str, Any]

    _timed_out = False
    #: Seconds that an attempt may take; None: as long as it wants.
    _timeout: float | None = None
    #: Whether the attempt is being ended because its own time is over, and not a limit of Celery's.
    _is_over = False
    #: Looks at which there was no such attempt.
    _missed = 0

    @property
    def time_limits(self) -> tuple[None, None]:
        """None of the message's: its handler may get more time, of which Celery would not know."""
        return None, None

    @time_limits.setter
    def time_limits(self, limits: Sequence[float | None]) -> None:
        self._timeout = limits[0]

    @property
    def request_dict(self) -> dict[str, Any]:
        """What the pool is given of the message."""
        headers = self._request_dict
        if self._timeout is not None or self.task.observation.needed(self._eventer):
            headers.setdefault(TOKEN, next_token())
        return headers

    def on_accepted(self, pid: Any, time_accepted: Any) -> None:
        super().on_accepted(pid, time_accepted)
        if self._timeout is not None and self.task.observation.can_end_processes:
            self.task.observation.timed.watch(self, self._timeout)

    @property
    def is_running(self) -> bool:
        """Whether the pool has the task, and has not heard of its end."""
        result = self._apply_result and self._apply_result()
        return result is not None and not result.ready()

    def look_at_time(self) -> float | None:
        """End the process of an attempt whose time is over, as Celery does at a hard limit.

        Seconds until the next look, or None for none.
        """
        job_id, invocation = self.args
        runtime: Runtime = self.task.runtimes.of(job_id)
        try:
            left = runtime.time_left(lease_of(job_id, invocation, self._request_dict[TOKEN]))
        except StoreUnavailableError:
            # It may have got more time.
            return _AGAIN
        if left is not None and left > 0:
            return left
        if left is None and self._missed * _AGAIN < runtime.settings.lease:
            # Its process is about to claim it, or to return. If it hangs, its lease expires.
            self._missed += 1
            return _AGAIN
        self._is_over = True
        self.task.observation.end_process(self._apply_result(), self._timeout)
        return None

    def terminate(self, pool: Any, signal: Any = None) -> None:
        try:
            super().terminate(pool, signal)
        except NotImplementedError:
            # The handler goes on until it asks whether its job was cancelled.
            self._announce_revoked("terminated", True, signal, False)

    def on_failure(
        self, exc_info: ExceptionInfo, send_failed_event: bool = True, return_ok: bool = False
    ) -> None:
        error: Any = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        timed_out = isinstance(error, exceptions.TimeLimitExceeded) and not return_ok
        if timed_out and not state.should_terminate:
            self._time_out(error.args[0])
        else:
            super().on_failure(exc_info, send_failed_event, return_ok)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        # A process that runs out of time fails first, and that is what is reported.
        if soft or not self._timed_out:
            super().on_timeout(soft, timeout)

    def _time_out(self, limit: float) -> None:
        """Record the end of the attempt in the place of its process, which is ended next."""
        self._timed_out = True
        what = "timeout" if self._is_over else "hard time limit"
        logger.error("%s (%g s) exceeded for %s[%s]", what, limit, self.name, self.id)
        error: Exception = TimeLimitExceeded(limit)
        ended = self._end_attempt(error)
        if self._is_over and isinstance(ended, (Failed, Retried)):
            error = harmless(ended.error)
        if isinstance(ended, Retried):
            self._report_retry(retry_of(error, ended.delay))
        elif isinstance(ended, Failed):
            super().on_failure(_exception_info(error))
        elif isinstance(ended, Uncounted):
            super().on_failure(_exception_info(raised(ended)))
        else:
            self.on_success((0, "None", limit))

    def _end_attempt(self, error: Exception) -> Ended:
        job_id, invocation = self.args
        runtime: Runtime = self.task.runtimes.of(job_id)
        try:
            token = self._request_dict[TOKEN]
            if self._is_over:
                return runtime.end_overdue(lease_of(job_id, invocation, token))
            return runtime.time_out(job_id, invocation, token, error, error.args[0])
        except Exception:
            # Its lease expires, as that of any process that is gone.
            logger.exception("could not record that %s[%s] has ended", self.name, self.id)
            return Failed(error)

    def _report_retry(self, again: exceptions.Retry) -> None:
        seen = _exception_info(again)
        signals.task_retry.send(sender=self.task, request=self._context, reason=again, einfo=seen)
        logger.info("Task %s[%s] retry: %s", self.name, self.id, again)
        super().on_failure(seen)


def _exception_info(error: Exception) -> ExceptionInfo:
    """An exception as Celery passes it on."""
    try:
        raise error
    except Exception:  # noqa: BLE001 - it was raised for that
        seen = ExceptionInfo()
    seen.exception = error
    return seen
