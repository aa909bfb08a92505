"""What a person may do with a job from a screen, and what each of it will do, in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flowforge.engine.engine import Engine
from flowforge.model.jobs.status import ENDED, JobStatus


@dataclass(frozen=True)
class JobAction:
    """``does``: what will happen, for people. ``done``: what is told afterwards. ``run``: with the
    job's id, a reason and who does it. ``fits``: the statuses of jobs that it is for.
    """

    name: str
    does: str
    done: str
    run: Callable[[Engine, str, str, str | None], object]
    fits: frozenset[JobStatus]

    @property
    def word(self) -> str:
        """Its name as people read it."""
        return self.name.replace("-", " ")


_ACTIVE = frozenset(JobStatus) - frozenset(ENDED)

JOB_ACTIONS = {
    action.name: action
    for action in (
        JobAction(
            "pause",
            "No handler of the job starts any more; those that run finish. Nothing is lost.",
            "is paused",
            lambda engine, job_id, reason, by: engine.pause(job_id, reason, by=by),
            _ACTIVE - {JobStatus.PAUSED},
        ),
        JobAction(
            "resume",
            "What was parked goes on at once.",
            "goes on",
            lambda engine, job_id, reason, by: engine.resume(job_id, reason, by=by),
            frozenset({JobStatus.PAUSED}),
        ),
        JobAction(
            "cancel",
            "The job ends for good: what waits is dropped, and what runs is told to stop.",
            "is cancelled",
            lambda engine, job_id, reason, by: engine.cancel(job_id, reason, by=by),
            _ACTIVE,
        ),
        JobAction(
            "retry",
            "The failed invocations run again with fresh attempts; what was done stays done.",
            "goes on",
            lambda engine, job_id, reason, by: engine.retry(job_id, by=by, reason=reason),
            frozenset({JobStatus.FAILED}),
        ),
        JobAction(
            "delete",
            "The job is deleted now, with its history and its results.",
            "is deleted",
            lambda engine, job_id, _, __: engine.delete(job_id),
            frozenset(ENDED),
        ),
    )
}
