"""Who has changed a job since somebody looked at it."""

from __future__ import annotations

from collections.abc import Sequence

from flowforge.engine.engine import Engine
from flowforge.engine.finding.audit import AuditFilter, find_audit
from flowforge.errors import RecordError
from flowforge.model.jobs.audit import AuditOutcome
from flowforge.model.jobs.job_handle import HistoryEntry
from flowforge.web.filters import ago

#: Entries of the history among which the latest change of a person is looked for.
_LATEST = 200


def latest_entry(engine: Engine, job_id: str) -> str:
    """The id of the job's latest entry, for a form that says what it showed."""
    return next((entry.id for entry in engine.inspector.history(job_id, 1)), "0-0")


def changed_by(engine: Engine, job_id: str, seen: str, number: int | None = None) -> str:
    """``changed by kim 3 s ago``: the latest change of a person behind an entry; empty without one.

    Of the job itself, or of the invocation of this number.
    """
    try:
        entries = list(engine.inspector.history(job_id, _LATEST))
    except RecordError:
        return ""
    for entry in reversed(entries):
        if not _is_behind(entry, seen):
            break
        by = entry.details.get("by")
        if by and entry.invocation in (None, number):
            return f"changed by {by} {ago(entry.at)}"
    return ""


def done_by(engines: Sequence[Engine], wanted: AuditFilter, what: str = "") -> str:
    """``; kim did it 3 s ago (drop dead letter)``: who did what is gone, as far as the audit stream
    knows; ``what``: how the words of the entry begin.
    """
    for entry in find_audit(engines, wanted, _LATEST).entries:
        record = entry.record
        if record.outcome == AuditOutcome.DONE and record.what.startswith(what):
            return f"; {record.by} did it {ago(entry.at)} ({record.action})"
    return ""


def _is_behind(entry: HistoryEntry, seen: str) -> bool:
    try:
        ms, _, place = seen.partition("-")
        own_ms, _, own_place = entry.id.partition("-")
        return (int(own_ms), int(own_place)) > (int(ms), int(place))
    except ValueError:
        return True
