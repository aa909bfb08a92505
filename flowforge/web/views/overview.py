"""The first page: what needs a person, and how many jobs there are."""

from __future__ import annotations

from flowforge.engine.find import find
from flowforge.model.status import JobStatus
from flowforge.store.finding import Query
from flowforge.web.page import Call, Page, View
from flowforge.web.views.job_list import summaries

#: Jobs that are named of each status.
_SHOWN = 8


def overview(call: Call) -> View:
    """Counts by status, and the newest of those that wait for a person."""
    counts = dict.fromkeys((status.value for status in JobStatus), 0)
    for engine in call.engines:
        for status, count in engine.overview.counts().items():
            counts[status] += count
    attention = []
    for status in (JobStatus.FAILED, JobStatus.PAUSED):
        page, _ = find(call.engines, Query(status=status.value), _SHOWN)
        attention += summaries(page)
    leaders = [engine.overview.has_leader() for engine in call.engines]
    return View(
        "overview.html",
        {"counts": counts, "attention": attention, "leading": all(leaders)},
    )


PAGES = [Page("/", overview, nav="Overview")]
