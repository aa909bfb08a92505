"""Why a job has failed, as its handle and the jobs above it tell it."""

from __future__ import annotations

from typing import Any

from flowforge.errors import ChildJobError, HandlerError, JobFailedError
from flowforge.model.jobs.status import JobStatus
from flowforge.model.slot import CHILD_SLOT
from flowforge.store.job_reads.inspector import Inspector

#: Characters of a failure that travel up to the jobs which wait for the failed one.
ROOT_LIMIT = 1_500

#: The type of an error that tells of a child job, as errors keep it.
_CHILD_ERROR = f"{ChildJobError.__module__}.{ChildJobError.__qualname__}"


def told_reason(inspector: Inspector, job_id: str) -> str:
    """The reason of a pause or an end; of a failure what happened where, and what to do."""
    return _told(*inspector.reason_and_error(job_id))


def job_failed(inspector: Inspector, job_id: str) -> JobFailedError:
    """What a producer is told of a failed job, with the traceback from the worker as its cause."""
    reason, error = inspector.reason_and_error(job_id)
    failed = JobFailedError(f"job {job_id} failed: {_told(reason, error)}")
    traceback = (error or {}).get("traceback")
    if traceback:
        # In quotes, as concurrent.futures shows those of other processes.
        failed.__cause__ = HandlerError(f'\n"""\n{traceback}"""')
    return failed


def _told(reason: str | None, error: dict[str, Any] | None) -> str:
    if error is None:
        return reason or "no reason was given"
    if "slot" not in error:
        return str(error["message"])
    if error["slot"] == CHILD_SLOT and error["type"] == _CHILD_ERROR:
        return f"{error['routine_id']}: {error['message']}"
    at = f" ({error['at']})" if error.get("at") else ""
    return f"{error['routine_id']}.{error['slot']}: {error['type']}: {error['message']}{at}"


def child_error(inspector: Inspector, job_id: str, status: JobStatus) -> ChildJobError:
    """What a routine hears of a job that it has started and that has not completed."""
    how = {JobStatus.FAILED: "has failed", JobStatus.CANCELLED: "was cancelled"}
    begins = f"child job {job_id} of this routine {how.get(status, f'is {status}')}"
    if status is not JobStatus.FAILED:
        return _with_what(f"{begins}: {told_reason(inspector, job_id)}", "")
    root_id, reason = _root(inspector, job_id)
    because = "" if root_id == job_id else f" because of job {root_id}"
    undone = inspector.undo(job_id) is not None
    remedy = "; it is undone" if undone else "; a retry of this job retries that one too"
    error = _with_what(f"{begins}{because}: {reason}", remedy)
    error.root = (root_id, reason)
    return error


def child_gone(job_id: str) -> ChildJobError:
    """What a routine hears of a job that it has started and that is no longer kept."""
    return _with_what(
        f"child job {job_id} of this routine is gone: it has ended, and was deleted or kept no "
        "longer before the routine took its end",
        "",
    )


def _with_what(what: str, remedy: str) -> ChildJobError:
    error = ChildJobError(what + remedy)
    error.what = what
    return error


def _root(inspector: Inspector, job_id: str) -> tuple[str, str]:
    """The job at whose failure this one's began, however many jobs below, and what that says."""
    found = (inspector.error(job_id) or {}).get("root")
    return (found[0], found[1]) if found else (job_id, told_reason(inspector, job_id)[:ROOT_LIMIT])
