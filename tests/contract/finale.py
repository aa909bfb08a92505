"""The end of each run of the state machine: workers go on until nothing is left to do."""

from __future__ import annotations

from tests.contract.reference.jobs import Job
from tests.contract.reference.model import Done
from tests.contract.workers import Workers

#: Rounds after which a job that has not ended never does.
ROUNDS = 60

#: How often what has failed is retried.
RETRIES = 3


class Finale(Workers):
    """Transitions, and then the end of all that they have begun."""

    def teardown(self) -> None:
        if self.agrees:
            self.end_by_itself()
        super().teardown()

    def end_by_itself(self) -> None:
        """Every job ends that is let go on; those above it that have failed are retried."""
        self.let_all_go()
        self.resume_all_queues()
        for job_id in self.jobs("paused"):
            self._control("resume", self.model.jobs[job_id])
        self._run_out()
        for _ in range(RETRIES):
            for job_id in self.worth_a_retry():
                self._control("retry", self.model.jobs[job_id])
            self._run_out()
        for job in self.model.jobs.values():
            assert not job.live or not job.held, f"{job.id} waits for its turn for ever"
            assert not job.live or self.model.may_go_on(job) == "held", f"{job.id} never ends"
        self.what_is_stored_is_what_the_model_says()
        self.all_is_undone()

    def _run_out(self) -> None:
        for _ in range(ROUNDS):
            for (job_id, invocation), lease in list(self.model.leases.items()):
                self._end_attempt(self.model.jobs[job_id], invocation, lease.token)
            self.answer_all()
            self._come_due()
            if any(self.model.timers.values()):
                self.release_due()
            self.work_off_all(100)
            if not self._something_to_do():
                return
        raise AssertionError("there is always something left to do")

    def _end_attempt(self, job: Job, invocation: str, token: str) -> None:
        """Commit, or fail where the server has lost what was staged."""
        if any(attempt[:2] == (job.id, invocation) for attempt in self.model.damaged):
            self._fail(job, invocation, token, "stop", True)
        else:
            self._commit(job, invocation, token, Done())

    def _something_to_do(self) -> bool:
        work = self.model.leases or any(self.model.unclaimed)
        return bool(work) or any(self.model.timers.values()) or bool(self._early())

    def _early(self) -> list[tuple[str, ...]]:
        """Timers of work that are not due."""
        return [
            timer
            for timer, due in self.model.timers.items()
            if not due and timer[1] not in ("look", "deadline")
        ]

    def _come_due(self) -> None:
        for timer in self._early():
            # Behind those that are due already.
            del self.model.timers[timer]
            self.model.timers[timer] = True
            if "." in timer[1]:
                self._set_timer(timer, self.bench.now() + self.moment(True))
