"""The part of the state machine in which attempts take too long, and jobs miss their deadlines."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.contract.bench import LONG
from tests.contract.expects import Expects
from tests.contract.reference.timing import DEADLINES


class Times(Expects):
    """Makes these transitions on both sides."""

    @precondition(lambda self: self.model.timed())
    @rule()
    def run_too_long(self) -> None:
        """The time of every attempt that has any is over: the upkeep takes the leases of those
        whose workers are there, and goes on as a worker would, or dies.
        """
        # For longer than the main process of the worker comes before the upkeep.
        over = self.bench.now() - 1000
        for job_id, invocation in self.model.timed():
            token = self.model.leases[job_id, invocation].token
            self.bench.link.call(
                "ZADD", self.bench.key("attempt_ends"), "XX", over,
                f"{job_id}/{invocation}/{token}",
            )  # fmt: skip
        token = f"over.{self.new_token()}"
        expected = self.model.take_overdue(token)
        # Half of what a lease lasts: its claims and renewals seem to have been made lately.
        taken = self.bench.store.upkeep.take_overdue(token, LONG // 2, 100)
        assert sorted((one[0], one[1]) for one in taken) == sorted(expected)

    @precondition(lambda self: self.awaited_jobs())
    @rule(data=st.data(), kind=st.sampled_from(DEADLINES))
    def pass_a_deadline(self, data: st.DataObject, kind: str) -> None:
        """What looks first, a claim or the upkeep, ends the job."""
        job = self.model.jobs[data.draw(st.sampled_from(self.awaited_jobs()), "job")]
        if self.model.pass_deadline(job, kind):
            field = "start_by" if kind == "started" else "finish_by"
            self.bench.link.call("HSET", self.bench.key("job", job.id), field, 1)

    def awaited_jobs(self) -> list[str]:
        """Jobs that have not ended and have deadlines."""
        found = self.jobs("pending", "running", "paused")
        return [job_id for job_id in found if self.model.jobs[job_id].deadlines]
