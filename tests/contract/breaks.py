"""The part of the state machine in which jobs have breakpoints."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from flowforge.codec.binary import pack_record
from flowforge.model.condition import Condition
from flowforge.store.transitions.breakpoints import pack_condition
from flowforge.store.transitions.claims import Claim, Question
from flowforge.worker.run.conditions import fulfils
from tests.contract.mends import Mends
from tests.contract.reference.breaking import routine_of
from tests.contract.reference.jobs import Job

ROUTINES = st.sampled_from([0, 0, 1, 1, 2, 3, 4])


class Breaks(Mends):
    """Makes these transitions on both sides."""

    @precondition(lambda self: self.model.jobs)
    @rule(data=st.data(), routine=ROUTINES, conditional=st.booleans())
    def break_at(self, data: st.DataObject, routine: int, conditional: bool) -> None:
        """At all deliveries to a routine, or at those from some record on."""
        job = self._job(data)
        least = data.draw(st.integers(0, self.records), "least") if conditional else None
        condition = Condition.of(None if least is None else {"n": (">", least)})
        expected = self.model.break_at(job, routine, least)
        with self.sending():
            answer = self.bench.store.breakpoints.set(
                job.id, routine, pack_condition(condition), pack_record("anna", ""), b""
            )
        assert answer == expected

    @precondition(lambda self: any(job.breakpoints for job in self.model.jobs.values()))
    @rule(data=st.data(), routine=st.none() | ROUTINES)
    def clear_break(self, data: st.DataObject, routine: int | None) -> None:
        """What has stopped there stays so until it is let go."""
        job = self._job(data)
        expected = self.model.clear_break(job, routine)
        with self.sending():
            assert self.bench.store.breakpoints.clear(job.id, routine, b"") == expected

    @precondition(lambda self: self._with_stopped())
    @rule(data=st.data(), first=st.booleans())
    def step(self, data: st.DataObject, first: bool) -> None:
        """One goes: a named one, or that which stopped first."""
        job = self.model.jobs[data.draw(st.sampled_from(self._with_stopped()), "job")]
        names = self._in_order(job)[:1]
        if not first:
            names = [data.draw(st.sampled_from(sorted(job.uncommitted)), "invocation")]
        self._step(job, names, "" if first else names[0])

    def _step(self, job: Job, names: list[str], named: str) -> None:
        self.thaw(job)
        expected = self.model.let_go_of(job, names)
        with self.sending():
            assert self.bench.store.breakpoints.step(job.id, named, b"anna") == expected

    @precondition(lambda self: self._with_stopped())
    @rule(data=st.data(), routine=st.none() | ROUTINES)
    def go_on(self, data: st.DataObject, routine: int | None) -> None:
        """All go, of a routine or of the job."""
        self._go_on(
            self.model.jobs[data.draw(st.sampled_from(self._with_stopped()), "job")], routine
        )

    def _go_on(self, job: Job, routine: int | None) -> None:
        self.thaw(job)
        names = [name for name in self._in_order(job) if routine in (None, routine_of(name))]
        expected = self.model.let_go_of(job, names)
        with self.sending():
            assert self.bench.store.breakpoints.go_on(job.id, routine, b"anna") == expected

    def send_claim(
        self, job: Job, invocation: str, token: str, lease: int
    ) -> Claim | Question | str:
        """As a worker claims, which judges conditions."""
        answer = self.bench.claim(job.id, invocation, token, lease)
        while isinstance(answer, Question):
            verdict = (answer.condition, int(fulfils(answer.record, answer.condition)))
            answer = self.bench.store.invocations.claim(job.id, invocation, token, lease, verdict)
        return answer

    def let_all_go(self) -> None:
        """No breakpoint is left, and nothing that has stopped."""
        for job in self.model.jobs.values():
            if job.breakpoints:
                expected = self.model.clear_break(job, None)
                assert self.bench.store.breakpoints.clear(job.id, None, b"") == expected
            if job.stopped:
                self._go_on(job, None)

    def _job(self, data: st.DataObject) -> Job:
        """Any job; what is kept of it changes."""
        job = self.some_job(data)
        self.thaw(job)
        return job

    def _with_stopped(self) -> list[str]:
        return [job.id for job in self.model.jobs.values() if job.stopped]

    def _in_order(self, job: Job) -> list[str]:
        """What has stopped, in the order of the server's clock, and of names within a moment."""
        stopped = self.bench.members("stopped", job.id)
        return sorted((name for name, at in stopped.items() if at), key=lambda n: (stopped[n], n))
