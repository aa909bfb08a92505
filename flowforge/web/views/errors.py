"""What fails, by its cause: the groups of errors, and one of them with its jobs."""

from __future__ import annotations

from urllib.parse import urlencode

from flowforge.engine.finding.error_groups import error_groups
from flowforge.errors import FlowForgeError
from flowforge.model.jobs.error_group import ErrorGroup
from flowforge.store.job_reads.job_rows import JobRows, JobSummary
from flowforge.web.page import Call, Page, View
from flowforge.web.views.job_list import BULK, SINCE, since_of

#: Groups on the page, the most frequent ones.
_SHOWN = 100

#: Fields of the search, in the address too.
_FIELDS = ("flow", "since")


def errors(call: Call) -> View:
    """The groups that fit the search, the most frequent first."""
    asked = {name: call.query.get(name, "").strip() for name in _FIELDS}
    left_out: list[FlowForgeError] = []
    found = error_groups(
        call.engines, asked["flow"] or None, since_of(asked["since"]), left_out=left_out
    )
    return View(
        "errors.html",
        {
            "groups": found[:_SHOWN],
            "more": max(0, len(found) - _SHOWN),
            "left_out": left_out,
            "asked": asked,
            "times": list(SINCE),
        },
    )


def group(call: Call) -> View:
    """One group, with its latest jobs that are still there."""
    wanted = call.path("group")
    left_out: list[FlowForgeError] = []
    found = [one for one in error_groups(call.engines, left_out=left_out) if one.id == wanted]
    if not found:
        text = "A group is kept for 7 days after its latest error."
        context = {"title": "There is no such group of errors", "text": text}
        return View("message.html", context, 404)
    jobs = _jobs(call, found[0])
    undone = sum(job.is_undone for job in jobs)
    # Where the latest jobs are gone, earlier ones may be there.
    retries = undone < len(jobs) or not jobs
    return View(
        "error_group.html",
        {
            "group": found[0],
            "jobs": jobs,
            "undone": undone,
            "failed": _failed(found[0]),
            "retries": retries and call.may(BULK["retry"]),
            "left_out": left_out,
        },
    )


def _jobs(call: Call, group: ErrorGroup) -> list[JobSummary]:
    return [
        job
        for job_id in group.job_ids
        for job in JobRows(call.engine(job_id).store).summaries([job_id])
        if isinstance(job, JobSummary)
    ]


def _failed(group: ErrorGroup) -> str:
    """The search for all failed jobs of a group."""
    return urlencode({"status": "failed", "flow": group.flow_id, "error": group.id})


PAGES = [Page("/errors", errors, nav="Errors"), Page("/errors/{group}", group)]
