"""Changing a job: each action first says what it will do, and asks.

The question is a page of its own, so that it needs no script, and a page that shows a job has no
form in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from flowforge.engine.audit import AuditFilter
from flowforge.engine.engine import Engine
from flowforge.errors import JobNotFoundError, JobStateError
from flowforge.model.status import ENDED, JobStatus
from flowforge.store.job_rows import JobSummary
from flowforge.web.changed_by import changed_by, done_by, latest_entry
from flowforge.web.page import Call, Leave, Page, View
from flowforge.web.security.identity import Role


@dataclass(frozen=True)
class Action:
    """``does``: what will happen, for people. ``done``: what is told afterwards."""

    name: str
    does: str
    done: str
    run: Callable[[Engine, str, str, str], object]
    fits: frozenset[JobStatus]
    role: Role = Role.OPERATOR
    asks_reason: bool = True
    #: Whether a bulk operation does it too.
    of_many: bool = True
    #: What a job must have of what it counts; empty: nothing.
    needs: str = ""

    def fits_job(self, job: JobSummary) -> bool:
        """Whether the job, as it is now, takes it."""
        return job.status in self.fits and (not self.needs or job.counts[self.needs] > 0)


_ACTIVE = frozenset(JobStatus) - frozenset(ENDED)

ACTIONS = {
    action.name: action
    for action in (
        Action(
            "pause",
            "No handler of the job starts any more; those that run finish. Nothing is lost.",
            "is paused",
            lambda engine, job_id, reason, by: engine.pause(job_id, reason, by=by),
            _ACTIVE - {JobStatus.PAUSED},
        ),
        Action(
            "resume",
            "What was parked goes on at once.",
            "goes on",
            lambda engine, job_id, reason, by: engine.resume(job_id, reason, by=by),
            frozenset({JobStatus.PAUSED}),
        ),
        Action(
            "cancel",
            "The job ends for good: what waits is dropped, and what runs is told to stop.",
            "is cancelled",
            lambda engine, job_id, reason, by: engine.cancel(job_id, reason, by=by),
            _ACTIVE,
        ),
        Action(
            "retry",
            "The failed invocations run again with fresh attempts; what was done stays done.",
            "goes on",
            lambda engine, job_id, reason, by: engine.retry(job_id, by=by, reason=reason),
            frozenset({JobStatus.FAILED}),
        ),
        Action(
            "continue",
            "What has stopped at breakpoints goes on; the breakpoints stay.",
            "goes on",
            lambda engine, job_id, _, by: engine.breakpoints.go_on(job_id, by=by),
            frozenset(JobStatus) - {JobStatus.COMPLETED, JobStatus.CANCELLED},
            asks_reason=False,
            of_many=False,
            needs="stopped",
        ),
        Action(
            "delete",
            "The job is deleted now, with its history and its results.",
            "is deleted",
            lambda engine, job_id, _, __: engine.delete(job_id),
            frozenset(ENDED),
            role=Role.ADMIN,
            asks_reason=False,
        ),
    )
}


def ask(action: Action, call: Call) -> View:
    """What the action will do, and the form that does it."""
    job_id = call.path("job_id")
    engine = call.engine(job_id)
    summary = _there(call, engine, job_id)
    context = {"action": action, "job": summary, "seen": latest_entry(engine, job_id)}
    return View("action.html", context)


def act(action: Action, call: Call) -> Leave:
    """Do it, unless somebody has changed the job since the question was shown."""
    job_id = call.path("job_id")
    engine = call.engine(job_id)
    summary = _there(call, engine, job_id)
    status = summary.status
    if not action.fits_job(summary):
        who = changed_by(engine, job_id, str(call.form.get("seen", "")))
        told = f"; it was {who}" if who else ""
        raise JobStateError(
            f"job {job_id} is {status} now: {action.name} does not fit any more{told}"
        )
    action.run(engine, job_id, str(call.form.get("reason", ""))[:500], call.user.name)
    gone = action.name == "delete"
    return Leave("/jobs" if gone else f"/jobs/{job_id}", f"Job {job_id} {action.done}.")


def _there(call: Call, engine: Engine, job_id: str) -> JobSummary:
    """The job; JobNotFoundError says who has deleted it."""
    try:
        summary, _ = engine.inspector.describe(job_id)
    except JobNotFoundError as error:
        wanted = AuditFilter(action="delete", job_id=job_id)
        raise JobNotFoundError(f"{error}{done_by(call.engines, wanted)}") from error
    return summary


PAGES = [
    page
    for action in ACTIONS.values()
    for page in (
        Page(f"/jobs/{{job_id}}/{action.name}", partial(ask, action), action.role),
        Page(f"/jobs/{{job_id}}/{action.name}", partial(act, action), action.role, "POST"),
    )
]
