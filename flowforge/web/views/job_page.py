"""One job: why it stands where it does, its graph with what runs where, and all that is kept."""

from __future__ import annotations

from typing import Any

from flowforge.engine.engine import Engine
from flowforge.engine.job_report import routines
from flowforge.web.graph.layout import layout
from flowforge.web.graph.picture import picture
from flowforge.web.page import Call, Page, View
from flowforge.web.security.identity import Role
from flowforge.web.views.job_actions import ACTIONS

#: Entries of the history on the page, the latest ones.
_HISTORY = 200

#: Outputs on the page.
_OUTPUTS = 50


def job(call: Call) -> View:
    """The page of a job."""
    job_id = call.path("job_id")
    return View(
        "job.html",
        {
            **shown(call.engine(job_id), job_id),
            "actions": list(ACTIONS.values()),
            "operator": Role.OPERATOR,
        },
    )


def shown(engine: Engine, job_id: str) -> dict[str, Any]:
    """What the page shows of a job."""
    inspector = engine.inspector
    summary, details = inspector.describe(job_id)
    definition = inspector.definition(job_id)
    states = routines(engine, job_id)
    history = list(inspector.history(job_id, _HISTORY + 1))
    placed = layout(definition)
    return {
        "job": summary,
        "details": details,
        "params": inspector.params(job_id),
        "error": inspector.error(job_id),
        "findings": engine.explain(job_id),
        "routines": states,
        "picture": None if placed is None else picture(definition, placed, states),
        "connections": definition.connections,
        "joins": inspector.open_joins(job_id),
        "children": inspector.open_children(job_id),
        "pauses": inspector.pauses(job_id),
        "outputs": inspector.outputs(job_id, _OUTPUTS),
        "history": history[-_HISTORY:][::-1],
        "earlier": len(history) > _HISTORY,
    }


PAGES = [Page("/jobs/{job_id}", job)]
