"""Every exception that FlowForge raises. The docstring is the default message."""

from __future__ import annotations

import datetime


class FlowForgeError(Exception):
    """FlowForge could not do what was asked."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


# --- definitions -----------------------------------------------------------------------


class DefinitionError(FlowForgeError, ValueError):
    """The flow is defined in a way that cannot run."""


class NotRebuildableError(DefinitionError):
    """The routine cannot be rebuilt in another process."""


class UnknownRoutineClassError(FlowForgeError):
    """This process has not imported the routine class that the definition names."""


# --- values and records ----------------------------------------------------------------


class PayloadError(FlowForgeError, ValueError):
    """A value cannot travel between routines."""


class PayloadTooLargeError(PayloadError):
    """A payload is larger than the limit."""


class RecordError(FlowForgeError):
    """A stored record cannot be read."""


class CorruptRecordError(RecordError):
    """A stored record is corrupt."""


class NewerRecordError(RecordError):
    """A stored record was written by a newer FlowForge; upgrade this process."""


# --- calls -----------------------------------------------------------------------------


class InvalidValueError(FlowForgeError, ValueError):
    """A call was given a value that it cannot take."""


# --- set-up ----------------------------------------------------------------------------


class ConfigurationError(FlowForgeError):
    """FlowForge is not configured in a way that can run."""


class UnsupportedBrokerError(ConfigurationError):
    """The broker is not Redis or Valkey."""


class StoreUnavailableError(FlowForgeError, ConnectionError):
    """The Redis or Valkey server cannot be reached."""


class WritesRefusedError(StoreUnavailableError):
    """The Redis or Valkey server answers, serves no writes now, and has changed nothing."""


class LoginRefusedError(StoreUnavailableError):
    """The Redis or Valkey server does not accept the user or the password."""


class CommandRefusedError(FlowForgeError):
    """The Redis or Valkey server refuses a command, and would do so again."""


class DeadLetterError(FlowForgeError, LookupError):
    """There is no such dead letter."""


class Limited(FlowForgeError):  # noqa: N818 - what a handler answers
    """The other side takes no more now."""

    def __init__(self, retry_after: float, limit: str | None = None) -> None:
        """``retry_after``: seconds, up to a day; ``limit``: the limit that rests, None: all of the
        attempt's. InvalidValueError.
        """
        if isinstance(retry_after, bool) or not isinstance(retry_after, (int, float)):
            raise InvalidValueError(
                f"retry_after must be seconds, not {type(retry_after).__name__}"
            )
        if not 0 <= retry_after <= 86_400:
            # A whole number may be too large to be formatted.
            given = "one that far from it" if abs(retry_after) > 1e300 else f"{retry_after:g}"
            raise InvalidValueError(f"retry_after must be 0 to 86400 seconds, not {given}")
        if limit is not None and not isinstance(limit, str):
            raise InvalidValueError(
                f"limit must be the name of a limit, not {type(limit).__name__}"
            )
        super().__init__(f"it takes no more for {retry_after:g} s")
        self.retry_after = float(retry_after)
        self.limit = limit

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.retry_after, self.limit)


# --- jobs ------------------------------------------------------------------------------


class JobError(FlowForgeError):
    """The job cannot do this."""


class JobNotFoundError(JobError, LookupError):
    """There is no such job: the id is wrong, or its retention has passed."""


class JobStateError(JobError, ValueError):
    """The job is not in a state that allows this."""


class AnsweredError(JobStateError):
    """The answer comes too late: another was first, or the time for it was over.

    ``by``: who has answered, empty when nobody has; ``at``: when it was closed, aware, UTC.
    """

    def __init__(
        self, message: str | None = None, by: str = "", at: datetime.datetime | None = None
    ) -> None:
        super().__init__(message)
        self.by = by
        self.at = at


class JobNotCompletedError(JobError):
    """The job did not complete, so it has no result."""


class JobFailedError(JobNotCompletedError):
    """The job failed."""

    def __reduce__(self) -> tuple[object, ...]:
        # What exceptions do by themselves leaves the cause out, which has the remote traceback.
        cause = self.__cause__ if isinstance(self.__cause__, HandlerError) else None
        return _with_cause, (type(self), self.args, cause), self.__dict__


class JobCancelledError(JobNotCompletedError):
    """The job was cancelled."""


class ChildJobError(JobError):
    """A job that a handler started did not complete."""

    #: The job at whose failure it began, however many jobs below, and what that job says of it.
    root: tuple[str, str] | None = None
    #: How the job has ended and why, without what to do about it.
    what: str = ""


class WouldBlockError(JobError, RuntimeError):
    """Waiting for a job here holds up the worker that may have to run it."""


class JobPausedError(JobNotCompletedError):
    """The job is paused."""


class SingleQueueFullError(JobError):
    """As many jobs wait for this key as may wait."""


class BulkError(FlowForgeError):
    """The bulk operation cannot do this."""


class BulkOvertakenError(BulkError):
    """Another bulk operation was started since the jobs of this one were looked at."""


class BulkNotFoundError(BulkError, LookupError):
    """There is no such bulk operation: the id is wrong, or it ended more than 7 days ago."""


class ScheduleError(FlowForgeError):
    """The schedule cannot do this."""


class ScheduleNotFoundError(ScheduleError, LookupError):
    """There is no such schedule."""


class ScheduleStateError(ScheduleError, ValueError):
    """The schedule is not in a state that allows this."""


# --- invocations -----------------------------------------------------------------------


class ArgumentError(FlowForgeError, TypeError):
    """A handler was called without an argument that it requires."""


class EmissionError(FlowForgeError, ValueError):
    """An event cannot be emitted."""


class HandlerError(FlowForgeError):
    """A handler failed; its own exception must not be passed on."""


class LeaseLostError(FlowForgeError):
    """This attempt no longer holds its invocation."""


class OutsideInvocationError(FlowForgeError, RuntimeError):
    """This is only possible while a handler of a job is running."""


# --- inside ----------------------------------------------------------------------------


def _with_cause(
    cls: type[JobFailedError], args: tuple[str, ...], cause: BaseException | None
) -> JobFailedError:
    error = cls(*args)
    error.__cause__ = cause
    return error
