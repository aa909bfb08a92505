"""The flows with the counts of their jobs, and one flow: its graph, its versions, its jobs."""

from __future__ import annotations

from flowforge.engine.finding.find import find
from flowforge.engine.finding.flow_counts import flow_counts
from flowforge.engine.fleet.throughput import HOUR, throughput
from flowforge.engine.flow_versions import FlowVersion, flow_versions
from flowforge.errors import RecordError
from flowforge.model.definition import Definition
from flowforge.model.jobs.status import JobStatus
from flowforge.store.fleet_reads.finding import Query
from flowforge.web.graph.layout import layout
from flowforge.web.graph.picture import picture
from flowforge.web.page import Call, Page, View
from flowforge.web.security.identity import Role
from flowforge.web.sparkline import PERIODS, chart, flow_line
from flowforge.web.views.job_list import shown_jobs
from flowforge.web.views.overview import period_of

#: Flows on the page.
_SHOWN = 200

#: Jobs of a flow that are looked at for its versions, and those of them that are listed.
_LATEST, _LISTED = 100, 20


def flows(call: Call) -> View:
    """The flows that have jobs, by name."""
    name = call.query.get("name", "").strip()
    found = {
        flow_id: counts
        for flow_id, counts in flow_counts(call.engines).items()
        if name.casefold() in flow_id.casefold()
    }
    rates = throughput(call.engines, HOUR)
    shown = dict(list(found.items())[:_SHOWN])
    return View(
        "flows.html",
        {
            "flows": shown,
            "rates": {flow_id: flow_line(flow_id, rates) for flow_id in shown},
            "more": max(0, len(found) - _SHOWN),
            "name": name,
            "statuses": [status.value for status in JobStatus],
        },
    )


def flow(call: Call) -> View:
    """A flow as its newest job has it."""
    flow_id = call.query.get("id", "")
    jobs = find(call.engines, Query(flow_id=flow_id or None), _LATEST).jobs
    if not flow_id or not jobs:
        text = "A flow is shown here when it has jobs."
        return View("message.html", {"title": "There is no such flow", "text": text}, 404)
    versions = flow_versions(jobs)
    definition, error = _newest(call, versions)
    placed = None if definition is None else layout(definition)
    drawn = None
    if definition is not None and placed is not None:
        drawn = picture(definition, placed, {spec.id: {} for spec in definition.routines})
    period = period_of(call)
    rates = throughput(call.engines, PERIODS[period])
    return View(
        "flow.html",
        {
            "flow_id": flow_id,
            "operator": Role.OPERATOR,
            "chart": chart(period, rates.of(flow_id)),
            "counts": flow_counts(call.engines).get(flow_id, {}),
            "definition": definition,
            "error": error,
            "picture": drawn,
            "versions": versions,
            "looked_at": len(jobs),
            "jobs": shown_jobs(jobs[:_LISTED]),
        },
    )


def _newest(call: Call, versions: list[FlowVersion]) -> tuple[Definition | None, str]:
    """The definition of the newest version, or why it cannot be read."""
    if not versions:
        return None, "its newest jobs are gone"
    job_id = versions[0].job_id
    try:
        return call.engine(job_id).inspector.definition(job_id), ""
    except RecordError as error:
        return None, str(error)


PAGES = [Page("/flows", flows, nav="Flows"), Page("/flows/one", flow)]
