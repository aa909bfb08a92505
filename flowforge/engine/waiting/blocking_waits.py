"""Where waiting for a job would hold up the very worker that may have to run it."""

from __future__ import annotations

import logging
import math
import sys
from types import FrameType

from celery import current_task

from flowforge.common.bounded_repr import shown
from flowforge.errors import InvalidValueError, WouldBlockError
from flowforge.execution.current import current

logger = logging.getLogger(__name__)

#: Where Celery imports modules for a command: for a worker's start above all.
_IMPORTERS = frozenset(
    {
        ("celery.loaders.base", "import_default_modules"),
        ("celery.app.utils", "find_app"),
    }
)

_GUARD = "put what submits jobs below `if __name__ == '__main__':`, or into a script of its own"


def check_timeout(timeout: object) -> None:
    """InvalidValueError for what is no number of seconds."""
    if timeout is not None and not _is_seconds(timeout):
        raise InvalidValueError(
            f"timeout must be a number of seconds, or None, not {shown(timeout)}"
        )


def _is_seconds(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    # No NaN, and no int that cannot be added to the time of a clock, which is a float.
    return abs(value) <= sys.float_info.max or abs(value) == math.inf


def check_may_wait(job_id: str, timeout: float | None) -> None:
    """Raise WouldBlockError where the wait for a job could never end, and say what to do."""
    attempt = current.get()
    if attempt is not None and (timeout is None or attempt.job_id == job_id):
        place = f"{attempt.routine.id}.{attempt.slot.name}"
        which = "its own job" if attempt.job_id == job_id else f"job {job_id}"
        raise WouldBlockError(
            f"{place} waits for {which}, and holds a worker meanwhile: when all of them do that, "
            "none is left to run it. Start the job with self.start(flow, entry_routine_id, params, "
            "event=...), which emits its outputs when it has completed, or give the wait a timeout"
        )
    task = getattr(current_task, "name", None)
    if timeout is None and attempt is None and task and not current_task.request.is_eager:
        raise WouldBlockError(
            f"the Celery task {task} waits for job {job_id}, and holds a worker "
            "meanwhile: when all of them do that, none is left to run it. Submit the job and "
            "return, or give the wait a timeout"
        )
    if module := importing():
        raise WouldBlockError(
            f"{module} waits for job {job_id} while Celery imports it: a worker takes no work "
            f"before that is over; {_GUARD}"
        )


def warn_at_import(flow_id: str) -> None:
    """Log that a module submits jobs of a flow whenever a worker imports it."""
    if module := importing():
        logger.warning(
            "%s submits a job of flow %r while Celery imports it, so every start of a worker "
            "submits one: %s", module, flow_id, _GUARD,
        )  # fmt: skip


def importing() -> str:
    """File and line of what a module does while Celery imports it for a command; else empty."""
    innermost = ""
    found: FrameType | None = sys._getframe(1)
    while found is not None:
        where = found.f_globals.get("__name__", "")
        if (where, found.f_code.co_name) in _IMPORTERS:
            return innermost
        if found.f_code.co_name == "<module>" and not innermost:
            innermost = f"{found.f_code.co_filename}:{found.f_lineno}"
        found = found.f_back
    return ""
