"""How what a job has done is undone: by another job, one compensation at a time."""

from __future__ import annotations

from dataclasses import replace

from tests.contract.reference.jobs import Job, Undo
from tests.contract.reference.joining import Joining


def undo_id(job_id: str) -> str:
    """The id of the job that undoes another one: each hexadecimal digit is F less its own."""
    return "".join(f"{15 - int(c, 16):x}" if c in "0123456789abcdef" else c for c in job_id)


class Undoing(Joining):
    """What its slots with an undo have committed, the latest first."""

    def undo_at_end(self, job: Job) -> None:
        """What it has committed is compensated, or was compensated by it."""
        if job.undoes:
            self.jobs[job.undoes].history["undo_ended"] += 1
        elif job.to_undo or (job.status == "failed" and job.undo_log):
            self.open_undo(job)
        elif job.status != "failed":
            job.undo_log.clear()

    def is_undone(self, job: Job) -> bool:
        """Whether it has failed and is never retried."""
        return job.status == "failed" and job.undo != ""

    def open_undo(self, job: Job) -> None:
        job.extras = True
        job.undo = "waits"
        self.begin_undo(job)
        for number in job.expected:
            self.timers.pop((job.id, "expect", number), None)
        job.expected.clear()
        self.look_at_children(job, due=True)

    def begin_undo(self, job: Job) -> None:
        """A job of its own, when no handler of this one runs any more."""
        if job.undo != "waits" or self.running(job):
            return
        if not job.undo_log:
            job.undo = "nothing"
            return
        job.undo = undo_id(job.id)
        job.history["undo"] += 1
        plan = replace(job.plan, id=job.undo, labels="", deadlines=False, fair="")
        undoing = self.jobs[job.undo] = Job(plan, undoes=job.id, extras=True)
        undoing.compensations, job.undo_log = job.undo_log, []
        self.compensate(undoing, undoing.compensations.pop(0))

    def compensate(self, job: Job, undo: Undo) -> None:
        job.last += 1
        invocation = f"{job.last}.{undo[0]}"
        job.invocations.append(invocation)
        job.uncommitted[invocation] = undo[1]
        self.enqueue(job, invocation)

    def commit_late(self, job: Job, invocation: str, token: str, undo: Undo | None) -> str:
        """What was done for a job that has ended is undone with the rest; what it emitted goes
        nowhere. Empty: it is not taken so.
        """
        lease = self.leases.get((job.id, invocation))
        takes = job.undo == "waits" or (job.status == "failed" and not job.undo)
        if undo is None or not takes or lease is None or lease.token != token:
            return ""
        del self.leases[job.id, invocation]
        self.drop_parts(job, invocation, token)
        job.uncommitted.pop(invocation, None)
        job.attempts.pop(invocation, None)
        job.closed["completed"] += 1
        job.history["completed"] += 1
        job.undo_log.insert(0, undo)
        self.open_undo(job)
        self.give_key_up(job)
        return "ok"

    def look_at_children(self, job: Job, due: bool) -> None:
        for child in job.children:
            self.look_at(child, due)
