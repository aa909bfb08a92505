"""The first page: what needs a person, how many jobs there are, and what was done lately."""

from __future__ import annotations

from datetime import datetime

from flowforge.engine.fleet.throughput import throughput
from flowforge.model.jobs.status import JobStatus
from flowforge.web.page import Call, Page, View
from flowforge.web.security.identity import Role
from flowforge.web.sparkline import PERIODS, busiest, chart, flow_lines

#: Flows of which is shown what they did.
_FLOWS = 20


def overview(call: Call) -> View:
    """Counts by status, what needs a person, and what was done lately."""
    counts = dict.fromkeys((status.value for status in JobStatus), 0)
    for engine in call.engines:
        for status, count in engine.overview.counts().items():
            counts[status] += count
    oldest: dict[str, tuple[datetime, str]] = {}
    for found in (engine.overview.oldest() for engine in call.engines):
        oldest |= {
            status: min(one, oldest.get(status, one)) for status, one in found.items()
        }  # fmt: skip
    leaders = [engine.overview.has_leader() for engine in call.engines]
    period = period_of(call)
    rates = throughput(call.engines, PERIODS[period])
    return View(
        "overview.html",
        {
            "counts": counts,
            "oldest": oldest,
            "needs": call.dashboard.needs.rows(call.engines, again=call.again),
            "acts": call.may(Role.OPERATOR),
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
