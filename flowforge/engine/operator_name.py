"""Who a person at the command line or in a program is, for the history of jobs."""

from __future__ import annotations

import getpass
import socket

from flowforge.engine.texts import checked_text
from flowforge.errors import InvalidValueError
from flowforge.execution.current import current

#: Characters of a name.
_MOST = 200


def operator_name(by: str | None) -> str:
    """``by``, else the handler that runs here, else ``user@host`` of this process.

    InvalidValueError for a text that is too long.
    """
    if by is None:
        attempt = current.get()
        if attempt is not None:
            return f"{attempt.routine.id} of job {attempt.job_id}"[:_MOST]
        return f"{_user()}@{socket.gethostname()}"[:_MOST]
    if len(checked_text("by", by)) > _MOST or not by:
        raise InvalidValueError(f"by must have 1 to {_MOST} characters")
    return by


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no variable names one, and the user id has no name
        return "unknown"
