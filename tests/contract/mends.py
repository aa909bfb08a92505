"""The part of the state machine in which an operator mends jobs by hand."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.contract.controls import Controls
from tests.contract.reference.jobs import Job, Member
from tests.contract.reference.mending import FINAL

VERBS = st.sampled_from(["edit", "skip", "run_now"])


class Mends(Controls):
    """Makes these transitions on both sides."""

    def idle(self) -> list[Member]:
        """What is parked or on a timer, of jobs that can go on."""
        return [
            (job.id, invocation)
            for job in self.model.jobs.values()
            if job.status not in FINAL
            for invocation in sorted(job.uncommitted)
            if self.model.places(job, invocation)[0] in ("parked", "timers")
        ]

    @precondition(lambda self: self.idle())
    @rule(data=st.data(), verb=VERBS)
    def mend(self, data: st.DataObject, verb: str) -> None:
        """An operator mends what is idle; an edit of two people is refused to the second."""
        job_id, invocation = data.draw(st.sampled_from(self.idle()), "idle")
        self._mend(data, verb, self.model.jobs[job_id], invocation)

    @rule(data=st.data(), verb=VERBS)
    def mend_anything(self, data: st.DataObject, verb: str) -> None:
        """An operator comes too late, or at the wrong time."""
        job, invocation, _ = self.anything(data)
        self._mend(data, verb, job, invocation)

    def _mend(self, data: st.DataObject, verb: str, job: Job, invocation: str) -> None:
        self.frozen.pop(f"{job.id}/{job.retries}", None)
        with self.sending():
            if verb == "edit":
                answers = self._edit(data, job, invocation)
            elif verb == "skip":
                children = self.emission(data, job, invocation)
                outputs = data.draw(st.integers(0, 2), "outputs")
                expected = self.model.skip(job, invocation, children, outputs)
                items = [(item.routine, item.slot, item.mode, item.record) for item in children]
                answers = self.bench.store.mending.skip(
                    job.id, invocation, b"", items, [b"o"] * outputs
                ), expected  # fmt: skip
            else:
                expected = self.model.run_now(job, invocation)
                answers = self.bench.run_now(job.id, invocation), expected
        assert answers[0] == answers[1]

    def _edit(self, data: st.DataObject, job: Job, invocation: str) -> tuple[str, str]:
        before, record = job.uncommitted.get(invocation, b""), self.new_record()
        if data.draw(st.sampled_from([False, False, True]), "too late"):
            before = b"another"
        expected = self.model.edit(job, invocation, before, record)
        return self.bench.edit(job.id, invocation, record, before), expected
