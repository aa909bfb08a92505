"""Changing a job: each action first says what it will do, and asks.

The question is a page of its own, so that it needs no script, and a page that shows a job has no
form in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from flowforge.engine.engine import Engine
from flowforge.engine.finding.audit import AuditFilter
from flowforge.engine.jobs.job_actions import JOB_ACTIONS, JobAction
from flowforge.errors import JobNotFoundError, JobStateError
from flowforge.model.jobs.status import JobStatus
from flowforge.store.job_reads.job_rows import JobSummary
from flowforge.web.changed_by import changed_by, done_by, latest_entry
from flowforge.web.page import Call, Leave, Page, View
from flowforge.web.security.identity import Role


@dataclass(frozen=True)
class Action(JobAction):
    """``role``: who may do it. ``asks_reason``: whether a reason is kept. ``put_off``: it is for
    jobs that are to start later.
    """

    role: Role = Role.OPERATOR
    asks_reason: bool = True
    #: Whether a bulk operation does it too.
    of_many: bool = True
    #: What a job must have of what it counts; empty: nothing.
    needs: str = ""
    put_off: bool = False

    def fits_job(self, job: JobSummary) -> bool:
        """Whether the job, as it is now, takes it."""
        if self.put_off and job.starts_at is None:
            return False
        return job.status in self.fits and (not self.needs or job.counts[self.needs] > 0)


def _shared(name: str, role: Role = Role.OPERATOR, *, asks_reason: bool = True) -> Action:
    """An action that the terminal knows too."""
    return Action(**vars(JOB_ACTIONS[name]), role=role, asks_reason=asks_reason)


ACTIONS = {
    action.name: action
    for action in (
        Action(
            "start-now",
            "The job starts at once, and not at its time.",
            "starts now",
            lambda engine, job_id, _, by: engine.mending.start_now(job_id, by),
            frozenset({JobStatus.PENDING}),
            asks_reason=False,
            of_many=False,
            put_off=True,
        ),
        *map(_shared, ("pause", "resume", "cancel", "retry")),
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
        _shared("delete", Role.ADMIN, asks_reason=False),
    )
}


def ask(action: Action, call: Call) -> View:
    """What the action will do, and the form that does it."""
    job_id = call.path("job_id")
    engine = call.engine(job_id)
    summary = _there(call, engine, job_id)
    context = {
        "action": action,
        "job": summary,
        "seen": latest_entry(engine, job_id),
        "undoes": action.name == "cancel" and _can_undo(engine, job_id),
    }
    return View("action.html", context)


def _can_undo(engine: Engine, job_id: str) -> bool:
    """Whether a cancel may undo what the job has done."""
    inspector = engine.inspector
    return inspector.definition(job_id).has_undo and inspector.undoes(job_id) is None


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
    reason = str(call.form.get("reason", ""))[:500]
    if action.name == "cancel" and call.form.get("undo") == "yes":
        engine.cancel(job_id, reason, call.user.name, undo=True)
    else:
        action.run(engine, job_id, reason, call.user.name)
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
        Page(
            f"/jobs/{{job_id}}/{action.name}",
            partial(act, action),
            action.role,
            "POST",
            does=action.word,
        ),
    )
]
