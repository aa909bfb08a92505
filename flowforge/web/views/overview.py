"""The first page: what needs a person, how many jobs there are, and what was done lately."""

from __future__ import annotations

from flowforge.engine.find import find, summaries
from flowforge.engine.throughput import throughput
from flowforge.model.status import JobStatus
from flowforge.store.finding import Query
from flowforge.web.page import Call, Page, View
from flowforge.web.sparkline import PERIODS, busiest, chart, flow_lines

#: Jobs that are named of each status.
_SHOWN = 8

#: Flows of which is shown what they did.
_FLOWS = 20


def overview(call: Call) -> View:
    """Counts by status, the newest of those that wait for a person, and what was done lately."""
    counts = dict.fromkeys((status.value for status in JobStatus), 0)
    for engine in call.engines:
        for status, count in engine.overview.counts().items():
            counts[status] += count
    attention = []
    for status in (JobStatus.FAILED, JobStatus.PAUSED):
        attention += summaries(find(call.engines, Query(status=status.value), _SHOWN).jobs)
    leaders = [engine.overview.has_leader() for engine in call.engines]
    period = period_of(call)
    rates = throughput(call.engines, PERIODS[period])
    return View(
        "overview.html",
        {
            "counts": counts,
            "attention": attention,
            "leading": all(leaders),
            "chart": chart(period, rates.whole),
            "flows": flow_lines(rates, busiest(rates, _FLOWS)),
        },
    )


def period_of(call: Call) -> str:
    """The period that a page is asked for."""
    found = call.query.get("period", "")
    return found if found in PERIODS else "hour"


PAGES = [Page("/", overview, nav="Overview")]
