"""What happens to a job, as those who follow it get it, and where they are in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from flowforge.common.bounded_repr import shown
from flowforge.errors import InvalidValueError


class EventKind(StrEnum):
    """The kinds of events that are no entries of the history."""

    #: Entries that stood here may have been deleted, since the history keeps a limited number.
    GAP = "gap"
    #: The job has ended. The last event.
    ENDED = "ended"


@dataclass(frozen=True)
class JobEvent:
    """Something that happened to a job.

    ``id``: what ``since`` takes, in order to go on behind this event. ``at``: by the server's
    clock. ``kind``: that of an entry of the history, or ``gap`` or ``ended``. ``invocation``,
    ``routine_id``, ``slot``: None where the event is not about an invocation. ``details``: as in
    the history; of ``ended`` ``status`` and ``reason``, of ``gap`` ``history_limit``.
    """

    id: str
    job_id: str
    at: datetime
    kind: str
    invocation: int | None
    routine_id: str | None
    slot: str | None
    details: dict[str, Any]


#: The id before the first entry of every history.
BEGINNING = "0-0"

_MOST = 2**64 - 1
_EVENT_ID = re.compile(r"([0-9]{1,20})-([0-9]{1,20})(:gap)?")


class Position(NamedTuple):
    """Where a reader of a job's events is: at the latest entry that it has.

    ``before``: it was told of a gap in front of this entry, which is the next that it gets.
    """

    entry: str
    before: bool = False

    @classmethod
    def of(cls, since: object) -> Position:
        """The position behind an event; InvalidValueError for what is no id of one."""
        match = _EVENT_ID.fullmatch(since) if isinstance(since, str) else None
        if match is None or max(int(match[1]), int(match[2])) > _MOST:
            raise InvalidValueError(f"since must be the id of an event, not {shown(since)}")
        return cls(f"{match[1]}-{match[2]}", match[3] is not None)

    @property
    def id(self) -> str:
        """The id of the event that leads to this position."""
        return f"{self.entry}:gap" if self.before else self.entry
