"""Who did what to jobs: an entry of the audit stream."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AuditVia(StrEnum):
    """Where a person acted."""

    DASHBOARD = "dashboard"
    COMMAND_LINE = "command line"


class AuditOutcome(StrEnum):
    """What came of it."""

    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True)
class AuditRecord:
    """What a person did, before it has a time. Values of params are never among it.

    ``by``: the user of the dashboard, or ``user@host`` of the command line; empty where that is not
    known, as after a failed login. ``role``: of the user of a dashboard. ``job_ids``: the jobs that
    it was about, as far as they are named. ``what``: further words, as the bulk operation that was
    begun, the invocations, or why it was refused. ``count``: how often it happened; failed logins
    are counted.
    """

    by: str
    via: str
    action: str
    outcome: str = AuditOutcome.DONE
    role: str = ""
    job_ids: tuple[str, ...] = ()
    reason: str = ""
    what: str = ""
    count: int = 1


@dataclass(frozen=True)
class AuditEntry:
    """``id``: its place in the stream of the ``server``, by time."""

    id: str
    at: datetime
    server: str
    record: AuditRecord
