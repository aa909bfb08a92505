"""What hooks are told: the types of events, and an event as a function or a webhook gets it."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

#: Jobs that an event names.
MOST_JOBS = 100


class EventType(StrEnum):
    """The types of events that a hook may be for."""

    #: A job failed, whatever the reason.
    JOB_FAILED = "job.failed"
    #: An invocation was quarantined, and its job failed with it.
    INVOCATION_QUARANTINED = "invocation.quarantined"
    #: A compensation failed: what a job did is not undone.
    UNDO_FAILED = "undo.failed"
    #: A job had not ended by a time that its flow names with ``on_late``.
    JOB_LATE = "job.late"
    #: A job waits for an answer from outside.
    ANSWER_EXPECTED = "answer.expected"
    #: It still does, after the time of a reminder.
    ANSWER_REMINDED = "answer.reminded"
    #: What waits first at a limit has waited for long.
    LIMIT_STARVING = "limit.starving"


#: The type of the event that ``flowforge hooks test`` sends, to whichever hook it names.
TEST = "hook.test"

#: What transitions note in the outbox -> the types that it is, the most precise first. A hook gets
#: the first one that it is for.
TYPES_OF: dict[str, tuple[EventType, ...]] = {
    "failed": (EventType.JOB_FAILED,),
    "quarantined": (EventType.INVOCATION_QUARANTINED, EventType.JOB_FAILED),
    "undo_failed": (EventType.UNDO_FAILED, EventType.JOB_FAILED),
    "late": (EventType.JOB_LATE,),
    "expects": (EventType.ANSWER_EXPECTED,),
    "reminded": (EventType.ANSWER_REMINDED, EventType.ANSWER_EXPECTED),
    "starving": (EventType.LIMIT_STARVING,),
}


@dataclass(frozen=True)
class HookError:
    """Why. ``at``: module and function of your own code, empty when none ran. ``fingerprint``: the
    group of errors as ``flowforge errors`` shows it. Secrets are blanked out of ``message``.
    """

    type: str
    message: str
    at: str
    fingerprint: str


@dataclass(frozen=True)
class HookEvent:
    """What happened, once or several times for the same reason. Times are aware, UTC.

    ``type``: ``job.failed``, ``invocation.quarantined``, ``undo.failed``, ``job.late``,
    ``answer.expected``, ``answer.reminded``, ``limit.starving``, or ``hook.test``, which
    ``flowforge hooks test`` sends. ``job_id``, ``invocation``, ``error.message``: those of the
    first time. ``invocation`` and ``routine_id``: None and empty when no invocation is at fault.
    ``error`` has ``type``, ``message``, ``at`` (module and function of your own code) and
    ``fingerprint`` (the group of ``flowforge errors``). Of a job that is late its ``type`` is the
    event that ``on_late`` names, and ``fingerprint`` is no group. Of a job that waits for an answer
    its ``type`` is ``AnswerExpected``, and ``message`` has routine, slot and key. Of a limit that
    starves it is ``LimitStarving``, ``message`` is the key, ``at`` the name of the limit, and the
    job is the one that waits first. ``job_ids``: at most 100.
    """

    #: The same in each attempt to deliver this event.
    id: str
    type: str
    flow_id: str
    job_id: str
    routine_id: str
    invocation: int | None
    error: HookError
    #: How often it happened.
    count: int
    #: The jobs, at most 100; there are more when ``count`` is larger.
    job_ids: tuple[str, ...]
    first_at: datetime
    last_at: datetime

    @property
    def command(self) -> str:
        """The command that shows more."""
        if self.type in (EventType.ANSWER_EXPECTED, EventType.ANSWER_REMINDED):
            return f"flowforge expects --job {self.job_id}"
        if self.type == EventType.LIMIT_STARVING:
            return f"flowforge limits show {shlex.quote(self.error.message)}"
        if self.count > 1 and self.type != EventType.JOB_LATE:
            return f"flowforge errors {self.error.fingerprint}"
        return f"flowforge show {self.job_id}"

    def payload(self) -> dict[str, Any]:
        """The event as a webhook gets it, in the form of Standard Webhooks."""
        data = asdict(self)
        del data["id"], data["type"]
        return {
            "type": self.type,
            "timestamp": _text(self.last_at),
            "data": {
                **data,
                "job_ids": list(self.job_ids),
                "first_at": _text(self.first_at),
                "last_at": _text(self.last_at),
                "command": self.command,
            },
        }

    def body(self) -> bytes:
        """The body of a webhook's request: the same bytes for the same event."""
        return json.dumps(self.payload(), separators=(",", ":")).encode()


def sample_event(event_id: str, at: datetime) -> HookEvent:
    """The event of a test."""
    job_id = "test-00000000000000000000"
    error = HookError("TestError", "This is a test of the hook.", "", "000000000000")
    return HookEvent(event_id, TEST, "test", job_id, "", None, error, 1, (job_id,), at, at)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
