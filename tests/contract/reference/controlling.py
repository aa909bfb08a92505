"""What people do to a job: pause, resume, retry, cancel."""

from __future__ import annotations

from tests.contract.reference.jobs import ENDED, Job
from tests.contract.reference.merging import Merging


class Controlling(Merging):
    """Controls jobs, and lets go what was kept back."""

    def label(self, job: Job, name: str, value: str) -> None:
        """An empty value takes the label away."""
        job.labels.pop(name, None)
        if value:
            job.labels[name] = value

    def pause(self, job: Job) -> str:
        if job.status in ENDED:
            return job.status
        job.status = "paused"
        job.history["paused"] += 1
        return "ok"

    def renew_deadlines(self, job: Job) -> None:
        raise NotImplementedError

    def resume(self, job: Job) -> str:
        if job.status != "paused":
            return job.status
        self._continue(job, "resumed")
        return "ok"

    def retry(self, job: Job) -> str:
        if job.status != "failed":
            done = job.retried and job.status != "cancelled"
            job.retried = job.retried and not done
            return "ok" if done else job.status
        if job.undo:
            return "undone"
        if not self.rejoin(job):
            return "orphaned"
        job.retries += 1
        job.retried = False
        self._set_live(job)
        self.queue_up(job)
        self.renew_deadlines(job)
        self._continue(job, "retry")
        return "ok"

    def _set_live(self, job: Job) -> None:
        # A job that no worker has claimed yet is still pending.
        job.status = "running" if job.started else "pending"

    def _continue(self, job: Job, kind: str) -> None:
        self._set_live(job)
        job.went_on = True
        job.history[kind] += 1
        self.go_on(job)

    def go_on(self, job: Job) -> None:
        """What was late or parked is let go, here and below."""
        for about in job.late:
            number, _, field = about.partition(" ")
            if number == "expect":
                self.time_expected(job, field)
            elif field in job.open and job.open[field].number == int(number):
                self.timers[job.id, "join", about] = False
        job.late.clear()
        self.fire_complete(job)
        self.look_at_children(job, due=True)
        self.settle(job)

    def cancel(self, job: Job, undo: bool = False) -> str:
        if job.status in ENDED:
            return job.status
        if undo and job.undoes:
            return "undoes"
        job.to_undo = undo
        self.cancel_for_good(job)
        return "ok"
