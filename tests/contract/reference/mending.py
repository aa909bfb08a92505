"""What operators do to single invocations: edit, skip, run now."""

from __future__ import annotations

from collections.abc import Sequence

from tests.contract.reference.controlling import Controlling
from tests.contract.reference.jobs import Item, Job, Plan
from tests.contract.reference.places import merging

FINAL = ("completed", "cancelled")
_WHY = {
    "unclaimed": "queued", "leases": "claimed", "timers": "", "parked": "", "stopped": "",
    "aside": "", "expected": "expects",
}  # fmt: skip


class Mending(Controlling):
    """Only what is idle, parked or on a timer, can be mended."""

    def _why_not_idle(self, job: Job, invocation: str) -> str:
        if invocation not in job.uncommitted:
            return "done"
        if invocation.endswith(".99999"):
            return "waits"
        (place,) = self.places(job, invocation)
        return _WHY[place]

    def _refuse_to_mend(self, job: Job, invocation: str) -> str:
        """Empty, or why: the job has ended for good, or the invocation is not idle."""
        if job.status in FINAL:
            return job.status
        return "undone" if self.is_undone(job) else self._why_not_idle(job, invocation)

    def edit(self, job: Job, invocation: str, before: bytes, record: bytes) -> str:
        refused = self._refuse_to_mend(job, invocation)
        if refused:
            return refused
        if job.uncommitted[invocation].startswith(b"J"):
            return "join"
        if job.uncommitted[invocation] != before:
            return "changed"
        job.uncommitted[invocation] = record
        job.history["edited"] += 1
        if invocation.count(".") == 3:
            self._edit_log(job, invocation, record)
        return "ok"

    def _edit_log(self, job: Job, invocation: str, record: bytes) -> None:
        """Those that are shown the delivery are shown the new record."""
        _, slot, position = merging(invocation)
        job.log[slot][position - 1] = record
        for other, (first, records) in job.shown.items():
            place = position - first
            if merging(other)[1] == slot and 0 <= place < len(records):
                records[place] = record

    def skip(self, job: Job, invocation: str, children: Sequence[Item], outputs: int) -> str:
        refused = self._refuse_to_mend(job, invocation)
        if refused == "expects":
            self.close_expected(job, invocation.partition(".")[0], "s")
        elif refused:
            return refused
        place = {"parked": job.parked, "stopped": job.stopped}
        for name in self.places(job, invocation):
            if name in place:
                place[name].remove(invocation)
        self.timers.pop((job.id, invocation), None)
        number, member = self.list_of(job, invocation), (job.id, invocation)
        self.turns[number].drop(member)
        if self.aside[number].pop(member, None) is not None:
            self.leave_turn(number, member)
        job.let_go.discard(invocation)
        job.put_off.pop(invocation, None)
        del job.uncommitted[invocation]
        job.attempts.pop(invocation, None)
        job.history["skipped_by_hand"] += 1
        job.collected.pop(int(invocation.partition(".")[0]), None)
        for item in children:
            self.deliver(job, item)
        self.put_out(job, outputs)
        self.let_epoch_go(job, invocation)
        self.fire_complete(job)
        self.settle(job)
        return "ok"

    def fork(self, origin: Job, plan: Plan, copies: Sequence[Item]) -> None:
        origin.history["forked"] += 1
        key, holder = origin.single, self.holder(origin.single) if origin.single else None
        if key:
            self.singles[key].append(plan.id)
        self.create(plan, single=key, held=holder is not None)
        job = self.jobs[plan.id]
        job.extras = bool(key)
        job.history["forked_from"] += 1
        for item in copies[1:]:
            self.deliver(job, item)

    def run_now(self, job: Job, invocation: str) -> str:
        refused = self._why_not_idle(job, invocation) if job.live else job.status
        if refused:
            return refused
        if invocation in job.stopped:
            return "stopped"
        if self.timers.pop((job.id, invocation), None) is None:
            return "parked"
        job.history["run_now"] += 1
        self.move_deadlines(job, invocation)
        self.let_go(job, invocation)
        return "ok"

    def reschedule(self, job: Job, invocation: str) -> str:
        refused = self._refuse_to_mend(job, invocation)
        if refused == "expects":
            self.time_expected(job, invocation.partition(".")[0])
            job.history["rescheduled"] += 1
            return "ok"
        if refused:
            return refused
        if invocation in job.stopped:
            return "stopped"
        if self.timers.pop((job.id, invocation), None) is None:
            return "parked"
        self.timers[job.id, invocation] = False
        job.history["rescheduled"] += 1
        self.move_deadlines(job, invocation)
        return "ok"

    def move_deadlines(self, job: Job, invocation: str) -> None:
        raise NotImplementedError

    def let_go(self, job: Job, invocation: str) -> None:
        """The time of an invocation has come."""
        why = self.may_go_on(job)
        if why == "orphaned":
            self.cancel_orphan(job)
        elif invocation in job.put_off:
            self.make_delivery(job, invocation)
        elif why:
            job.parked.append(invocation)
        else:
            self.enqueue(job, invocation)
