"""The part of the state machine in which an operator mends jobs by hand."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from flowforge.model.times.start import Start
from tests.contract.bench import LONG
from tests.contract.controls import Controls
from tests.contract.reference.jobs import Item, Job, Member, Plan
from tests.contract.reference.mending import FINAL

#: Jobs, with forks and with those that handlers start.
ALL_JOBS = 6

VERBS = st.sampled_from(["edit", "skip", "run_now", "reschedule"])


class Mends(Controls):
    """Makes these transitions on both sides."""

    def idle(self) -> list[Member]:
        """What is parked or on a timer, of jobs that can go on."""
        return [
            (job.id, invocation)
            for job in self.model.jobs.values()
            if job.status not in FINAL
            for invocation in sorted(job.uncommitted)
            if self.model.places(job, invocation)[0]
            in ("parked", "timers", "stopped", "aside", "expected")
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
        self.thaw(job)
        with self.sending():
            if verb == "edit":
                answers = self._edit(data, job, invocation)
            elif verb == "skip":
                children = self.emission(data, job, invocation)
                outputs = data.draw(st.integers(0, 2), "outputs")
                expected = self.model.skip(job, invocation, children, outputs)
                items = [item.sent for item in children]
                answers = self.bench.store.mending.skip(
                    job.id, invocation, b"", items, [b"o"] * outputs
                ), expected  # fmt: skip
            elif verb == "reschedule":
                expected = self.model.reschedule(job, invocation)
                answers = self.bench.store.mending.reschedule(
                    job.id, invocation, Start("+", LONG), b""
                ), expected  # fmt: skip
            else:
                expected = self.model.run_now(job, invocation)
                answers = self.bench.run_now(job.id, invocation), expected
        assert answers[0] == answers[1]

    @precondition(lambda self: self.forkable() and self.model.submitted < ALL_JOBS)
    @rule(data=st.data())
    def fork(self, data: st.DataObject) -> None:
        """A job begins with copies of what another one has outstanding."""
        origin = self.model.jobs[data.draw(st.sampled_from(sorted(self.forkable())), "origin")]
        names = st.sampled_from(self.forkable()[origin.id])
        drawn = data.draw(st.lists(names, min_size=1, max_size=3, unique=True), "copies")
        copies = [self._copy(origin, name) for name in drawn]
        entry, fair = copies[0], origin.fair
        plan = replace(origin.plan, id=self.new_id(), entry=entry, deadlines=False, fair=fair)
        labels = data.draw(st.sampled_from(["", "a=1"]), "labels")
        self._fork(replace(plan, labels=labels), origin, copies)

    def _fork(self, plan: Plan, origin: Job, copies: list[Item]) -> None:
        self.thaw(origin)
        self.model.fork(origin, plan, copies)
        made = [(item.routine, item.slot, item.mode, item.record) for item in copies]
        with self.sending():
            assert self.bench.fork(self.request(plan), origin.id, made) == "ok"

    def forkable(self) -> dict[str, list[str]]:
        """Job -> those of its outstanding invocations that have params of their own."""
        found = {
            job.id: [
                name
                for name, record in sorted(job.uncommitted.items())
                if not record.startswith((b"J", b"E")) and not name.endswith(".99999")
                if name not in job.put_off
            ]
            for job in self.model.jobs.values()
            if not job.undoes
        }
        return {job_id: names for job_id, names in found.items() if names}

    def _copy(self, origin: Job, name: str) -> Item:
        _, routine, slot, *position = name.split(".")
        mode = "m" if position else "o" if (routine, slot) == ("1", "1") else ""
        return Item(int(routine), int(slot), mode, origin.uncommitted[name])

    @rule(data=st.data())
    def keep_an_input(self, data: st.DataObject) -> None:
        """What a handler was given is kept until its job is forgotten."""
        job, invocation, _ = self.anything(data)
        with self.sending():
            kept = self.bench.store.forking.keep_input(job.id, invocation, b"params")
        assert kept == (job.status not in FINAL)

    def _edit(self, data: st.DataObject, job: Job, invocation: str) -> tuple[str, str]:
        before, record = job.uncommitted.get(invocation, b""), self.new_record()
        if data.draw(st.sampled_from([False, False, True]), "too late"):
            before = b"another"
        expected = self.model.edit(job, invocation, before, record)
        return self.bench.edit(job.id, invocation, record, before), expected
