"""What the passing of time does to attempts with a timeout, and to jobs with deadlines."""

from __future__ import annotations

from tests.contract.reference.answering import Answering
from tests.contract.reference.flow import is_timed
from tests.contract.reference.jobs import ENDED, Job, Member

#: By then a job has to have started, or to have ended.
DEADLINES = ("started", "finished")

_ERRORS = {"started": "NotStartedInTime", "finished": "NotFinishedInTime"}


class Timing(Answering):
    """The end of what takes too long."""

    def begin_timeout(self, job: Job, invocation: str) -> None:
        if is_timed(job.plan.flow, invocation):
            self.ends.add((job.id, invocation))

    def timed(self) -> list[Member]:
        """Attempts whose time may be over."""
        return sorted(self.ends & self.leases.keys())

    def take_overdue(self, token: str) -> list[Member]:
        """The time of all is over: those that the upkeep takes are its own from now on."""
        taken = []
        for member in self.timed():
            job, lease = self.jobs[member[0]], self.leases[member]
            if lease.expired:
                continue
            self.drop_parts(job, member[1], lease.token)
            if job.status in ENDED:
                del self.leases[member]
                self.discard(job, member[1], lease.token)
            else:
                lease.token = token
                taken.append(member)
        return taken

    def discard(self, job: Job, invocation: str, token: str) -> None:
        raise NotImplementedError

    # --- deadlines -----------------------------------------------------------------------

    def pass_deadline(self, job: Job, kind: str) -> bool:
        """Whether the job has one of this kind that is not met."""
        timer = (job.id, "deadline", kind)
        # The upkeep has looked at one without a timer.
        if kind not in job.deadlines or timer not in self.timers:
            return False
        job.passed.add(kind)
        self.timers[timer] = True
        return True

    def missed(self, job: Job) -> str:
        """The deadline that the job has missed; empty: none."""
        late = [
            kind for kind in DEADLINES if kind in job.passed and (kind, job.started > 0)
            != ("started", True)
        ]  # fmt: skip
        return late[0] if late else ""

    def look_at_deadline(self, job: Job) -> None:
        kind = self.missed(job)
        if job.status not in ENDED and kind:
            self.miss(job, kind)

    def miss(self, job: Job, kind: str) -> None:
        job.history["deadline_missed"] += 1
        job.errors[_ERRORS[kind]] += 1
        self.outbox.append(("failed", job.id))
        self.end(job, "failed")

    def renew_deadlines(self, job: Job) -> None:
        """A retry keeps what has not passed."""
        met = {"started"} if job.started else set()
        job.deadlines -= job.passed | met
        job.passed.clear()
        for kind in job.deadlines:
            self.timers[job.id, "deadline", kind] = False

    def move_deadlines(self, job: Job, invocation: str) -> None:
        """Those of a job that has not started go along with its entry; what has passed stays so."""
        is_first = invocation.startswith("1.") and job.plan.entry.later and not job.started
        for kind in sorted(job.deadlines) if is_first and job.status not in ENDED else ():
            self.timers[job.id, "deadline", kind] = kind in job.passed
