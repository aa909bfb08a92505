"""Who did what: the stream of what people did in dashboards and on the command line."""

from __future__ import annotations

from urllib.parse import urlencode

from flowforge.engine.finding.audit import AuditFilter, find_audit
from flowforge.engine.finding.known_names import unknown_in_audit
from flowforge.web.page import Call, Page, View

#: Entries on the page.
_PAGE = 50

#: Fields of the search, in the address too.
_FIELDS = ("by", "action", "job")


def audit(call: Call) -> View:
    """The newest entries that fit."""
    asked = {name: call.query.get(name, "").strip() for name in _FIELDS}
    filled = {name: value for name, value in asked.items() if value}
    cursor = call.query.get("cursor", "")
    wanted = AuditFilter(asked["by"] or None, asked["action"] or None, asked["job"] or None)
    found = find_audit(call.engines, wanted, _PAGE, cursor or None)
    following = urlencode({**filled, "cursor": found.cursor}) if found.cursor else None
    return View(
        "audit.html",
        {
            "entries": found.entries,
            "left_out": found.left_out[:5],
            "unknown": "" if found.entries or cursor else unknown_in_audit(call.engines, wanted),
            "asked": asked,
            "following": following,
            "first": not cursor,
            # A search goes through the whole stream: not once a second.
            "changes": not filled and not cursor,
        },
    )


PAGES = [Page("/audit", audit, nav="Audit")]
