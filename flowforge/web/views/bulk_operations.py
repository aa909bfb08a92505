"""Bulk operations: those that run and those that have ended lately, how far each is, its abort."""

from __future__ import annotations

from collections import defaultdict
from urllib.parse import urlencode

from flowforge.engine.bulk.bulk import Bulk, recent_bulks
from flowforge.engine.engine import Engine
from flowforge.errors import BulkNotFoundError, JobStateError, RecordError
from flowforge.model.jobs.bulk import BulkAction, BulkInfo, BulkStatus
from flowforge.store.job_reads.job_rows import JobRows, JobSummary
from flowforge.web.filters import ago, quoted
from flowforge.web.page import Call, Leave, Page, View
from flowforge.web.security.identity import Role

#: Operations on the page, the latest ones.
_SHOWN = 50

#: The status of a job that has taken an action, and that has its reason.
_STATUS = {BulkAction.PAUSE.value: "paused", BulkAction.CANCEL.value: "cancelled"}


def operations(call: Call) -> View:
    """The latest operations."""
    left_out: list[RecordError] = []
    found = recent_bulks(call.engines, _SHOWN, left_out)
    return View("bulk_operations.html", {"operations": found, "left_out": left_out})


def operation(call: Call) -> View:
    """One operation: what it does to which jobs, how far it is, and what was refused."""
    try:
        info = Bulk(call.path("bulk_id"), call.engines).info
    except BulkNotFoundError as error:
        context = {"title": "There is no such bulk operation", "text": str(error)}
        return View("message.html", context, 404)
    return View(
        "bulk_operation.html",
        {
            "bulk": info,
            "search": _search(info),
            "taken": _taken(call, info),
            "abortable": info.progress.status == BulkStatus.RUNNING and call.may(Role.OPERATOR),
        },
    )


def _taken(call: Call, info: BulkInfo) -> list[JobSummary]:
    """Some of the jobs that have taken the action, as they are now; none that were deleted."""
    by_engine: dict[Engine, list[str]] = defaultdict(list)
    for job_id in info.progress.job_ids:
        by_engine[call.engine(job_id)].append(job_id)
    return [
        job
        for engine, job_ids in by_engine.items()
        for job in JobRows(engine.store).summaries(job_ids)
        if isinstance(job, JobSummary)
    ]


def _search(info: BulkInfo) -> str:
    """What finds the jobs that have taken the action, by what it has left on them; empty where it
    leaves nothing.
    """
    found = {}
    if info.action == BulkAction.LABEL:
        found["label"] = " ".join(
            quoted(f"{name}={value}") for name, value in info.labels.items() if value
        )
    elif info.action in _STATUS and info.reason:
        found = {"status": _STATUS[info.action], "text": info.reason}
    return urlencode({name: value for name, value in found.items() if value})


def ask_abort(call: Call) -> View:
    """What an abort does, and the form that does it."""
    found = operation(call)
    return found if found.status != 200 else View("bulk_abort.html", found.context)


def abort(call: Call) -> Leave:
    """End the operation, unless it has ended since the question was shown."""
    found = Bulk(call.path("bulk_id"), call.engines)
    info = found.info
    status = info.progress.status
    if status != BulkStatus.RUNNING:
        who = info.aborted_by
        told = f"; {who} has aborted it {ago(info.ended_at)}" if who else ""
        raise JobStateError(f"bulk operation {found.bulk_id} is {status}: abort does not fit{told}")
    found.abort(by=call.user.name)
    return Leave(f"/bulk/{found.bulk_id}", f"Bulk operation {found.bulk_id} is aborted.")


_ABORT = "/bulk/{bulk_id}/abort"

PAGES = [
    Page("/bulk", operations, nav="Bulk"),
    Page("/bulk/{bulk_id}", operation),
    Page(_ABORT, ask_abort, Role.OPERATOR),
    Page(_ABORT, abort, Role.OPERATOR, "POST", does="abort bulk operation"),
]
