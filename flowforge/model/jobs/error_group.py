"""Failures by their cause: what the errors of one group have in common."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeAlias

#: Characters of a message that are kept with a group.
MESSAGE_LIMIT = 500


@dataclass(frozen=True)
class ErrorGroup:
    """Failed attempts, and jobs failed by FlowForge, of one cause: the same routine of the same
    flow, the same class of exception, raised by the same function of your own code.
    """

    #: The same on every server and in every release: a digest of the four that follow.
    id: str
    flow_id: str
    #: Empty where no routine is at fault.
    routine_id: str
    #: The class of the exception as ``module.Class``; ``Quarantined`` or ``JoinNotFilled``.
    type: str
    #: Module and function of the innermost frame of your own code; empty when none ran.
    at: str
    #: That of the latest error, at most 500 characters, with secrets blanked out.
    message: str
    #: Failed attempts, also those that were retried or passed over.
    count: int
    first_at: datetime
    last_at: datetime
    #: The latest jobs, at most 10, the latest first. Some may be gone.
    job_ids: tuple[str, ...]


class ErrorSample(NamedTuple):
    """One failure, as a transition counts it with its group.

    Empty ``group`` and ``routine_id``: the worker does not know the routine; the store does.
    """

    group: str
    routine_id: str
    type: str
    at: str
    message: str

    @classmethod
    def unplaced(cls, kind: str, message: str) -> ErrorSample:
        """Of an invocation that no attempt was made at."""
        return cls("", "", kind, "", message[:MESSAGE_LIMIT])


#: The sample of a failure; empty of an attempt that has not failed.
Sample: TypeAlias = ErrorSample | tuple[()]


def group_id(flow_id: str, routine_id: str, kind: str, at: str) -> str:
    """The id of the group that an error belongs to."""
    text = "\0".join((flow_id, routine_id, kind, at))
    return hashlib.sha1(text.encode("utf-8", "backslashreplace")).hexdigest()[:12]
