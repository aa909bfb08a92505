"""The part of the state machine in which workers do several things in a row."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.contract.controls import some_unclaimed
from tests.contract.machine import TIMES, Transitions
from tests.contract.reference.model import Done

#: How some work on a job ends; what was claimed last goes on.
ENDS = ["fail", "fail", "cancel", "retry", "none"]


class Workers(Transitions):
    """Makes the transitions of whole runs."""

    @precondition(some_unclaimed)
    @rule(data=st.data(), times=TIMES)
    def run(self, data: st.DataObject, times: int) -> None:
        """What a worker does when nothing goes wrong."""
        while times and some_unclaimed(self):
            job, invocation = self.unclaimed(data)
            token = self.new_token()
            if self._claim(job, invocation, token, False):
                self._commit(
                    job, invocation, token, Done(emitted=self.emission(data, job, invocation))
                )
            times -= 1

    @precondition(some_unclaimed)
    @rule(most=st.integers(5, 25))
    def work_off(self, most: int) -> None:
        """Workers finish what there is and begin nothing new, so that joins fire and jobs end."""
        self.work_off_all(most)

    def work_off_all(self, most: int) -> None:
        while most and some_unclaimed(self):
            job_id, invocation = self.all_unclaimed()[0]
            job, token = self.model.jobs[job_id], self.new_token()
            if self._claim(job, invocation, token, False):
                self._commit(job, invocation, token, Done())
            most -= 1

    @precondition(lambda self: self.undoable_work())
    @rule(
        data=st.data(), times=st.integers(0, 5), how=st.sampled_from(ENDS), least=st.integers(0, 2)
    )
    def work_and_end(self, data: st.DataObject, times: int, how: str, least: int) -> None:
        """Some of a job is committed before it fails or is cancelled, or all of an undoing one."""
        job = self.model.jobs[data.draw(st.sampled_from(self.undoable_work()), "job")]
        for _ in range(times):
            if own := self.unclaimed_of(job):
                invocation, token = own[0], self.new_token()
                if self._claim(job, invocation, token, False):
                    emitted = self.emission(data, job, invocation, least=least)
                    self._commit(job, invocation, token, Done(emitted=emitted))
        if how == "cancel":
            self._cancel_with_undo(job, 1)
        running = [(name, self.new_token()) for name in self.unclaimed_of(job)[:2]]
        running = [one for one in running if how != "none" and self._claim(job, *one, False)]
        for place, (invocation, token) in enumerate(running):
            if how == "fail" and place == 0:
                self._fail(job, invocation, token, "stop", True)
            elif how == "retry" and place == 0:
                self._fail(job, invocation, token, "retry", True)

    @precondition(some_unclaimed)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        """What a worker does when everything goes wrong."""
        self._claim(*self.unclaimed(data), self.new_token(), True)
        self.reclaim()
