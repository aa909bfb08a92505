"""What log lines of handlers carry: the job, and the place and attempt that logged.

Workers of a fleet have it by themselves, other programs by the setting ``log_format``. A program
with a logging configuration of its own names ``ContextFilter`` and ``JsonFormatter`` in it.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flowforge.execution.current import current
from flowforge.model.invocation_id import is_task_id, job_of_task, task_id

#: Behind the message of a format: all that ``ContextFilter`` knows, or nothing outside handlers.
SUFFIX = "%(flowforge)s"

_TEXT = f"%(asctime)s %(levelname)s %(name)s: %(message)s{SUFFIX}"


@dataclass(frozen=True)
class Context:
    """The fields of a line. Those that are not known are empty."""

    job: str = ""
    flow: str = ""
    routine: str = ""
    slot: str = ""
    #: The id of the Celery task.
    invocation: str = ""
    attempt: int | str = ""
    #: Of OpenTelemetry, where the attempt belongs to a trace.
    trace_id: str = ""
    span_id: str = ""

    @property
    def known(self) -> dict[str, Any]:
        """The fields that are not empty."""
        return {name: value for name, value in vars(self).items() if value != ""}

    def __str__(self) -> str:
        """`` job=... flow=...``, behind a blank; nothing outside handlers."""
        return "".join(f" {name}={value}" for name, value in self.known.items())


class Worker:
    """The worker of this process, which JSON lines name."""

    name = ""


_NOTHING = Context()


class ContextFilter(logging.Filter):
    """Gives each record the fields ``job``, ``flow``, ``routine``, ``slot``, ``invocation``,
    ``attempt``, ``trace_id`` and ``span_id``, and ``flowforge``: all of them as text behind a
    blank. It lets every record pass.

    They are empty outside handlers. Fields that the record has already stay as they are.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the fields; True."""
        fields = record.__dict__
        # A record that another thread formats brings what the first one has found.
        if "flowforge" not in fields:
            fields["flowforge"] = context = _context()
            for name, value in vars(context).items():
                fields.setdefault(name, value)
        return True


class JsonFormatter(logging.Formatter):
    """Each record as one line of JSON.

    It has ``time`` (ISO, UTC), ``level``, ``logger`` and ``message``; in a handler the fields of
    ``Context``; ``worker`` in a worker; ``exception``, the traceback, when there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        at = datetime.fromtimestamp(record.created, UTC)
        entry: dict[str, Any] = {
            "time": at.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_context_of(record).known,
        }
        if Worker.name:
            entry["worker"] = Worker.name
        exception = exception_of(record)
        if exception:
            entry["exception"] = exception
        return json.dumps(entry)


def about(job_id: str, invocation: str) -> dict[str, Any]:
    """What a line outside handlers is given as ``extra``, so that JSON names the invocation.

    Celery gives its own lines the same.
    """
    return {"data": {"id": task_id(job_id, invocation)}}


def exception_of(record: logging.LogRecord) -> str:
    """The traceback of a record as text; empty without one."""
    if record.exc_text:
        return record.exc_text
    # Celery gives what only looks like one.
    if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
        return _PLAIN.formatException(record.exc_info)
    return ""


def set_up(form: str) -> None:
    """Write what this process logs in one of ``settings.LOG_FORMATS``: the streams and files of the
    root logger, and stderr when there are none.
    """
    if not logging.root.handlers:
        logging.basicConfig()
    formatter = JsonFormatter() if form == "json" else logging.Formatter(_TEXT)
    for handler in logging.root.handlers:
        handler.addFilter(ContextFilter())
        if isinstance(handler, logging.StreamHandler):
            handler.setFormatter(formatter)


_PLAIN = logging.Formatter()


def _context() -> Context:
    attempt = current.get()
    if attempt is None:
        return _NOTHING
    return Context(
        attempt.job_id,
        attempt.routine.flow_id,
        attempt.routine.id,
        attempt.slot.name,
        task_id(attempt.job_id, attempt.invocation),
        attempt.attempt_number,
        *attempt.trace_ids(),
    )


def _context_of(record: logging.LogRecord) -> Context:
    """What the filter has found, or finds now; of a line of Celery's about an invocation which."""
    context = record.__dict__.get("flowforge")
    if not isinstance(context, Context):
        context = _context()
    about = record.__dict__.get("data")
    if context is _NOTHING and isinstance(about, dict) and is_task_id(str(about.get("id"))):
        invocation = str(about["id"])
        return Context(job=job_of_task(invocation), invocation=invocation)
    return context
