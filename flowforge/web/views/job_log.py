"""What the handlers of a job have logged, as they log it."""

from __future__ import annotations

from flowforge.store.invocation_reads.latest_lines import latest_lines
from flowforge.web.page import Call, Page, View

#: Lines on the page, the latest ones.
_LINES = 200


def job_log(call: Call) -> View:
    """The latest lines of a job."""
    job_id = call.path("job_id")
    engine = call.engine(job_id)
    summary, _ = engine.inspector.describe(job_id)
    lines = latest_lines(engine.store, job_id, engine.inspector.definition(job_id), _LINES)
    return View("job_log.html", {"job": summary, "lines": lines, "most": _LINES})


PAGES = [Page("/jobs/{job_id}/log", job_log)]
