"""What the upkeep does with the timers that are due."""

from __future__ import annotations

from tests.contract.reference.calling import Calling
from tests.contract.reference.jobs import ENDED, Job


class Due(Calling):
    """Timers of all kinds."""

    def release_due(self) -> int:
        due = self.due_in_order()
        for timer in due:
            # A timer before it may have cleared it.
            if self.timers.pop(timer, None) is None:
                continue
            job, kind = self.jobs[timer[0]], timer[1]
            if kind == "look":
                self._look(job)
            elif kind == "retry":
                self._retry_with_parent(job, timer)
            elif kind == "join":
                self._time_out(job, timer)
            elif kind == "expect":
                self.time_out_answer(job, timer[2])
            elif kind == "deadline":
                self.look_at_deadline(job)
            elif job.status not in ("completed", "cancelled"):
                self.let_go(job, kind)
        return len(due)

    def due_in_order(self) -> list[tuple[str, ...]]:
        """Timers of joins and looks first, then those of invocations, each as they were made."""
        due = [timer for timer, is_due in self.timers.items() if is_due]
        return sorted(due, key=lambda timer: "." in timer[1])

    def _look(self, job: Job) -> None:
        if job.held:
            holder = self.holder(job.single)
            if holder is not None and holder is not job:
                self.watch_next(job.single)
                return
            self.let_start(job)
        why = self.may_go_on(job)
        if why == "orphaned":
            self.cancel_orphan(job)
        elif not why:
            self.go_on(job)

    def _retry_with_parent(self, job: Job, timer: tuple[str, ...]) -> None:
        parent, invocation = self.jobs[timer[2]], timer[3]
        waits = parent.children.get(job.id) == invocation and parent.status not in (
            "completed",
            "cancelled",
        )
        if waits and job.status == "failed":
            if self.retry(job) == "ok":
                job.retried = True
            else:
                # It is undone: the invocation finds that it has failed for good.
                del parent.children[job.id]
                self.enqueue(parent, invocation)

    def _time_out(self, job: Job, timer: tuple[str, ...]) -> None:
        number, _, about = timer[2].partition(" ")
        why = self.may_go_on(job)
        if about not in job.open or job.open[about].number != int(number):
            return
        if why == "orphaned":
            self.cancel_orphan(job)
            return
        if why:
            job.late.append(timer[2])
            return
        if any(above.went_on for above in self.with_ancestors(job)):
            # Its whole time from then on.
            self.timers[timer] = False
            return
        self.give_up(job, about)
        if job.status in ENDED:
            # A retry gives it time once more.
            job.late.append(timer[2])

    def pass_time(self, timer: tuple[str, ...]) -> list[Job]:
        """The time of an open join passes; returns the jobs that have gone on for as long."""
        self.timers[timer] = True
        lineage = list(self.with_ancestors(self.jobs[timer[0]]))
        for job in lineage:
            job.went_on = False
        return lineage
