"""What a failed attempt leaves behind: a record that names the error and hides the secrets.

An exception is an object of the user's: its text, its notes, its class and what it points to are
code that may fail, end the process or never have been tried. Nothing of that keeps a failure from
being recorded.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable

from flowforge.codec.binary import pack_record
from flowforge.common.true_attributes import module_of, name_of, qualname_of, traceback_of
from flowforge.errors import ChildJobError, HandlerError
from flowforge.execution.attempt import Attempt
from flowforge.execution.ending import ends_worker
from flowforge.execution.frames import own_frame, own_function
from flowforge.execution.secret_texts import SecretTexts
from flowforge.model.jobs.error_group import MESSAGE_LIMIT as SAMPLE_LIMIT
from flowforge.model.jobs.error_group import ErrorSample, group_id

#: Characters of an error's type, message and traceback that are kept.
TYPE_LIMIT = 300
MESSAGE_LIMIT = 2_000
TRACEBACK_LIMIT = 8_000

#: The message of an error that may hold secrets which cannot be searched for.
_UNTOLD = "(not told: the slot has secret params)"


class Problem:
    """An exception as text, with the values of secret params blanked out."""

    def __init__(self, error: BaseException, attempt: Attempt) -> None:
        # Not isinstance, which asks the exception what it is.
        self.root = error.root if type(error) is ChildJobError else None
        secrets = SecretTexts(attempt)

        def named(text: str) -> str:
            # A class and a file have names of their program's, unless it has made them of params.
            hidden = secrets.hide(text)
            return (text if hidden is None else hidden)[:TYPE_LIMIT]

        #: File, line and function of the user's own code.
        self.at = named(_text(lambda: own_frame(error), ""))
        self._function = named(_text(lambda: own_function(error), ""))
        self.type = named(_class_of(error))
        message = secrets.hide(message_of(error))
        self.message = _UNTOLD if message is None else message[:MESSAGE_LIMIT]
        text = _traceback_of(error)
        told = secrets.hide(text)
        # Frames alone show code, not values.
        self.traceback = (_frames_of(error) if told is None else told)[-TRACEBACK_LIMIT:]
        self._error = error
        # What prints an exception shows its traceback, or its arguments.
        shown = text + _text(lambda: repr(error), "")
        self._open = secrets.hide(shown) == shown

    def shown(self) -> BaseException:
        """The exception, or one in its place that holds no secrets."""
        if self._open:
            return self._error
        shown = HandlerError(f"{self.type}: {self.message}")
        return shown.with_traceback(traceback_of(self._error))

    def sample(self, attempt: Attempt) -> ErrorSample:
        """What its group of errors counts and shows."""
        routine = attempt.routine
        group = group_id(routine.flow_id, routine.id, self.type, self._function)
        return ErrorSample(
            group, routine.id, self.type, self._function, self.message[:SAMPLE_LIMIT]
        )

    def record(self, attempt: Attempt) -> bytes:
        """What the job keeps as its error."""
        trace_id, span_id = attempt.trace_ids()
        return pack_record(
            {
                "type": self.type,
                "message": self.message,
                "traceback": self.traceback,
                "at": self.at,
                "routine_id": attempt.routine.id,
                "slot": attempt.slot.name,
                "invocation": attempt.number,
                "attempt": attempt.attempt_number,
                **({} if self.root is None else {"root": list(self.root)}),
                **({"trace_id": trace_id} if trace_id else {}),
                **({"span_id": span_id} if span_id else {}),
            }
        )


def type_of(error: BaseException) -> str:
    """The class of an exception as ``module.Class``, without ``builtins``."""

    return _class_of(error)[:TYPE_LIMIT]


def _class_of(error: BaseException) -> str:
    def name() -> str:
        cls = type(error)
        return f"{module_of(cls)}.{qualname_of(cls)}".removeprefix("builtins.")

    return _text(name)


def message_of(error: BaseException) -> str:
    """What an exception says, or why it cannot."""
    return _text(lambda: str(error))


def _traceback_of(error: BaseException) -> str:
    """The whole traceback, whose end names the error and the user's own frames."""
    lines = _text(lambda: "".join(traceback.format_exception(error)), "")
    return lines or f"{_frames_of(error)}{type_of(error)}: {message_of(error)}\n"


def _frames_of(error: BaseException) -> str:
    return _text(lambda: "".join(traceback.format_tb(traceback_of(error))), "")


def _text(make: Callable[[], str], otherwise: str | None = None) -> str:
    """What ``make`` returns, in UTF-8: file names, for one, may hold halves of surrogate pairs.

    When it fails, ``otherwise``, or a text that says so.
    """
    try:
        return str.encode(make(), "utf-8", "backslashreplace").decode()
    except BaseException as broken:
        if ends_worker(broken):
            raise
        if otherwise is not None:
            return otherwise
        return f"<its text cannot be made: {name_of(type(broken))}>"
