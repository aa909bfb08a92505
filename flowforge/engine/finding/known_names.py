"""Whether a name that a search asks for is one that there is, and which one may be meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from flowforge.common.bounded_repr import shown
from flowforge.engine.engine import Engine
from flowforge.engine.finding.audit import AuditFilter, find_audit
from flowforge.engine.finding.flow_counts import flow_counts

#: Characters of a name that are compared, and entries of the audit stream that are looked at.
_COMPARED, _LATEST = 200, 500


def unknown_flow(engines: Sequence[Engine], flow_id: str | None) -> str:
    """That no flow of this name has jobs; empty for one that has, and for None."""
    known = flow_counts(engines) if flow_id is not None else {}
    if flow_id is None or flow_id in known:
        return ""
    return f"no flow {shown(flow_id)} has jobs{_meant(flow_id, known)}"


def unknown_in_audit(engines: Sequence[Engine], wanted: AuditFilter) -> str:
    """That the latest entries have no such person, or no such action; empty when they have."""
    latest = find_audit(engines, AuditFilter(), _LATEST).entries
    people = {one.record.by for one in latest if one.record.by}
    actions = {one.record.action for one in latest}
    parts = []
    if wanted.by is not None and wanted.by not in people:
        parts.append(f"no person {shown(wanted.by)}{_meant(wanted.by, people)}")
    if wanted.action is not None and not any(wanted.action in one for one in actions):
        parts.append(f"no action {shown(wanted.action)}{_meant(wanted.action, actions)}")
    return f"the latest entries have {'; '.join(parts)}" if parts else ""


def _meant(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name[:_COMPARED], [one[:_COMPARED] for one in known], 1)
    return f"; did you mean {shown(close[0])}?" if close else ""
