"""Answers from outside: what a job expects, and what becomes of it."""

from __future__ import annotations

from flowforge.codec.binary import read_invocation
from tests.contract.bench import record
from tests.contract.reference.jobs import Expected, Item, Job
from tests.contract.reference.mending import FINAL
from tests.contract.reference.pausing import Pausing


class Answering(Pausing):
    """The first answer for a field, ``r.s/key``, is delivered; one that is early is kept."""

    def is_expected_already(self, job: Job, wanted: list[Expected]) -> bool:
        return any(job.answers.get(one.field) == "o" for one in wanted)

    def expect(self, job: Job, wanted: list[Expected]) -> None:
        """The commit of an attempt opens them; ``first`` and ``last`` count from 1 here."""
        job.extras = job.extras or bool(wanted)
        before, opened = job.last, []
        for one in wanted:
            job.last += 1
            one.first, one.last = before + one.first, before + one.last
            number = str(job.last)
            invocation = self.expected_name(number, one)
            job.invocations.append(invocation)
            job.uncommitted[invocation] = b"E0 " + one.otherwise
            job.expected[number] = one
            job.answers[one.field] = "o"
            job.history["expects"] += 1
            self.outbox.append(("expects", job.id))
            if one.timed:
                self.timers[job.id, "expect", number] = False
            opened.append(number)
        fields = dict(zip(opened, (one.field for one in wanted), strict=True))
        for number in opened:
            early = job.early.pop(fields[number], None)
            if early is None:
                continue
            if number in job.expected:
                job.history["answered"] += 1
                self._deliver_answer(job, number, "a", early)
            else:
                job.history["answer_unused"] += 1

    def answer(self, job: Job, field: str, item: Item) -> str:
        if job.status in FINAL:
            return job.status
        if self.is_undone(job):
            return "undone"
        state = job.answers.get(field)
        if state not in (None, "o") or (state is None and field in job.early):
            return "answered"
        job.extras = True
        if state is None:
            job.early[field] = item
            job.history["answer_kept"] += 1
            return "kept"
        number = next(n for n, one in job.expected.items() if one.field == field)
        job.history["answered"] += 1
        self._deliver_answer(job, number, "a", item)
        self.settle(job)
        return "ok"

    def _deliver_answer(self, job: Job, number: str, how: str, item: Item) -> None:
        found = job.expected[number]
        self.close_expected(job, number, how)
        params = read_invocation(item.record, "an answer")[1]
        del job.uncommitted[self.expected_name(number, found)]
        routine, slot = (int(part) for part in found.field.split("/")[0].split("."))
        item = Item(routine, slot, item.mode, record(found.emitter, **params))
        self.deliver(job, item, int(number))

    def time_out_answer(self, job: Job, number: str) -> None:
        if number not in job.expected or job.status in FINAL:
            return
        if self.may_go_on(job) == "orphaned":
            self.cancel_orphan(job)
            return
        one = job.expected[number]
        group = [str(n) for n in range(one.first, one.last + 1) if str(n) in job.expected]
        for other in group:
            if job.expected[other].otherwise:
                found = job.expected[other]
                job.history["answer_late"] += 1
                routine, slot = (int(part) for part in found.field.split("/")[0].split("."))
                item = Item(routine, slot, found.mode, found.otherwise)
                self._deliver_answer(job, other, "t", item)
                self.settle(job)
                return
        for other in group:
            self.timers.pop((job.id, "expect", other), None)
        if job.status != "failed":
            job.history["answer_late"] += 1
            job.errors["AnswerMissing"] += 1
            self.outbox.append(("failed", job.id))
            self.end(job, "failed")
        job.late.append(f"expect {number}")
