"""The list of jobs: search, pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

from flowforge.common.bounded_repr import shown
from flowforge.engine.engine import Engine
from flowforge.engine.finding.find import find, summaries
from flowforge.engine.finding.known_names import unknown_flow
from flowforge.errors import InvalidValueError
from flowforge.model.jobs.status import JobStatus
from flowforge.store.fleet_reads.finding import Query
from flowforge.store.fleet_reads.index_walk import Found
from flowforge.store.job_reads.job_rows import JobSummary
from flowforge.store.job_reads.started_jobs import StartedJobs
from flowforge.web.label_words import labels_of
from flowforge.web.page import Call, Page, View
from flowforge.web.security.identity import Role
from flowforge.web.views.job_actions import ACTIONS

#: Jobs on a page.
_PAGE = 50

#: The times that searches offer.
SINCE = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7)}

#: What can be done with many jobs at once, and the role that it takes.
BULK = {
    **{
        name: action.role for name, action in ACTIONS.items() if action.of_many and name != "delete"
    },
    "label": Role.OPERATOR,
    "delete": Role.ADMIN,
}

#: Fields of the search, in the address too, so that a search can be kept as a bookmark.
FIELDS = ("flow", "status", "label", "since", "text", "error", "parent")


def jobs(call: Call) -> View:
    """The newest jobs that fit the search."""
    asked = {name: call.query.get(name, "").strip() for name in FIELDS}
    query = query_of(asked, call.query.get("cursor"))
    found = find(call.engines, query, _PAGE)
    following = None
    if found.cursor is not None:
        following = urlencode({**{k: v for k, v in asked.items() if v}, "cursor": found.cursor})
    listed = shown_jobs(found.jobs)
    return View(
        "jobs.html",
        {
            "jobs": listed,
            "waits": _waits(call, query.parent, listed),
            "looked_from": query.last,
            "looked_to": found.looked_to,
            "asked": asked,
            "unknown": "" if found.jobs else unknown_flow(call.engines, query.flow_id),
            "following": following,
            "first": "cursor" not in call.query,
            "statuses": [status.value for status in JobStatus],
            "times": list(SINCE),
            "bulk": [name for name, role in BULK.items() if call.may(role)],
        },
    )


def shown_jobs(page: Sequence[tuple[Found, Engine]]) -> list[JobSummary]:
    """The jobs of a page as lists show them: without the time of the latest step, which changes
    more often than what is shown.
    """
    return [replace(job, updated_at=None) for job in summaries(page)]


def _waits(call: Call, parent: str | None, found: list[JobSummary]) -> dict[str, int] | None:
    """Child job -> the invocation of the parent that waits for it; None in any other list."""
    if parent is None:
        return None
    waiting = StartedJobs(call.engine(parent).store)
    return waiting.waits(parent, [job.job_id for job in found])


def query_of(
    asked: dict[str, str], cursor: str | None = None, until: datetime | None = None
) -> Query:
    """What the fields of a search ask for; ValueError for what they cannot."""
    return Query(
        flow_id=asked["flow"] or None,
        status=asked["status"] or None,
        labels=labels_of(asked["label"]),
        since=since_of(asked["since"]),
        until=until,
        text=asked["text"] or None,
        after=cursor,
        error=asked["error"] or None,
        parent=asked["parent"] or None,
    )


def since_of(text: str) -> timedelta | None:
    """What a field of a search says of the time; ValueError for what the page does not offer."""
    if text and text not in SINCE:
        raise InvalidValueError(f"since is one of {', '.join(SINCE)}, not {shown(text)}")
    return SINCE.get(text)


PAGES = [Page("/jobs", jobs, nav="Jobs")]
