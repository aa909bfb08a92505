"""How a job goes on or ends after each transition, and what parents and children owe each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from flowforge.model.jobs.labels import INHERITED, read_labels
from tests.contract.bench import WAITING_SLOT
from tests.contract.reference.flow import RULES
from tests.contract.reference.jobs import ENDED, Expected, Item, Job, Plan
from tests.contract.reference.undoing import Undoing

#: Outputs that a job keeps.
OUTPUT_LIMIT = 5


class Ending(Undoing):
    """The parts that transitions are made of."""

    # --- going on ------------------------------------------------------------------------

    def deliver(self, job: Job, item: Item, number: int | None = None) -> None:
        """``number``: of its own, for what was put off."""
        if item.later:
            self._put_off(job, item)
            return
        if item.mode.startswith("j"):
            self.collect(job, item)
            return
        if number is None:
            job.last += 1
            number = job.last
        slot = f"{item.routine}.{item.slot}"
        invocation = f"{number}.{slot}"
        if item.mode == "m":
            job.merged[slot] += 1
            job.log[slot].append(item.record)
            invocation += f".{job.merged[slot]}"
        job.invocations.append(invocation)
        job.uncommitted[invocation] = item.record
        self.enqueue(job, invocation)

    def _put_off(self, job: Job, item: Item) -> None:
        job.last += 1
        invocation = f"{job.last}.{item.routine}.{item.slot}"
        job.invocations.append(invocation)
        job.uncommitted[invocation] = item.record
        self.timers[job.id, invocation] = False
        if item.mode:
            job.put_off[invocation] = item
            job.puts_off = True

    def make_delivery(self, job: Job, invocation: str) -> None:
        """The time of one has come that was put off."""
        item = job.put_off.pop(invocation)
        record = job.uncommitted.pop(invocation)
        number = int(invocation.split(".", maxsplit=1)[0])
        self.deliver(job, replace(item, record=record, later=False), number)
        if item.mode.startswith("j") and item.emitter is not None:
            self.fire_complete(job)
        self.settle(job)

    def top_up(self, job: Job) -> None:
        """What waits goes first, then what is staged."""
        if not job.live or job.held:
            return
        self.release_parked(job)
        if not job.staged and not job.staged_outputs:
            return
        # Outputs need no room.
        self.put_out(job, job.staged_outputs)
        job.staged_outputs = 0
        while job.staged and self.takes_staged(job):
            self.deliver(job, job.staged.pop(0))
        self.fire_complete(job)

    def put_out(self, job: Job, number: int) -> None:
        job.outputs = min(OUTPUT_LIMIT, job.outputs + number)

    def settle(self, job: Job) -> None:
        if not job.live:
            return
        self.top_up(job)
        if job.staged or job.staged_outputs or job.uncommitted:
            return
        if job.open:
            self.resolve_open(job)
        elif job.compensations:
            self.compensate(job, job.compensations.pop(0))
        else:
            self.end(job, "completed")

    def resolve_open(self, job: Job) -> None:
        """Nothing but joins is left: those that wait for quiet fire, else the others give up."""
        first = self.first_in_line(job)
        quiet = [field for field, rule in first if rule.kind != "count"]
        for field in quiet:
            self.fire(job, field)
        for field, _ in [] if quiet else first:
            if job.status not in ENDED:
                self.give_up(job, field)

    def give_up(self, job: Job, field: str) -> None:
        if RULES[field.partition("/")[0]].otherwise == "fire":
            self.fire(job, field)
        else:
            job.errors["JoinNotFilled"] += 1
            self.outbox.append(("failed", job.id))
            self.end(job, "failed")

    # --- answers -------------------------------------------------------------------------

    def expected_name(self, number: str, expected: Expected) -> str:
        return f"{number}.{expected.field.partition('/')[0]}"

    def close_expected(self, job: Job, number: str, how: str) -> None:
        """With those that were expected in place of it; its own invocation stays."""
        one = job.expected[number]
        for other in [str(n) for n in range(one.first, one.last + 1) if str(n) in job.expected]:
            closed = job.expected.pop(other)
            self.timers.pop((job.id, "expect", other), None)
            job.answers[closed.field] = how if other == number else "w"
            if other != number:
                del job.uncommitted[self.expected_name(other, closed)]

    def time_expected(self, job: Job, number: str) -> None:
        """It has its whole time, and those that are expected in place of it."""
        one = job.expected.get(number)
        for other in () if one is None else range(one.first, one.last + 1):
            if str(other) in job.expected:
                self.timers[job.id, "expect", str(other)] = False

    # --- ending --------------------------------------------------------------------------

    def fail_for(self, job: Job, invocation: str, kind: str) -> None:
        """Fail the job because of one invocation, which stays with it for a retry."""
        job.errors[kind] += 1
        happened = "quarantined" if kind == "Quarantined" else "failed"
        self.outbox.append(("undo_failed" if job.undoes else happened, job.id))
        job.attempts.pop(invocation, None)
        job.parked.append(invocation)
        self.end(job, "failed")

    def cancel_for_good(self, job: Job) -> None:
        job.history["cancelled"] += 1
        for timer in [t for t in self.timers if t[0] == job.id and t[1] != "look"]:
            del self.timers[timer]
        self.end(job, "cancelled")

    def cancel_orphan(self, job: Job) -> None:
        """Undone if the job above it is, with which it ends."""
        above = next(above for above in self.with_ancestors(job) if above is not job and (
            above.status in ("completed", "cancelled") or (above.status == "failed" and above.undo)
        ))  # fmt: skip
        job.to_undo = bool(above.undo)
        self.cancel_for_good(job)

    def end(self, job: Job, status: str) -> None:
        if status != "completed":
            # Those of a failed job are looked at when its retry can no longer come.
            self.look_at_children(job, due=status == "cancelled")
        job.status = status
        for timer in [t for t in self.timers if t[:2] == (job.id, "deadline")]:
            del self.timers[timer]
        if status == "completed":
            assert job.items["delivered"] == job.items["handed over"], "items were lost"
        if status != "failed":
            for work in (
                job.uncommitted, job.parked, job.staged, job.open, job.collected, job.children,
                job.late, job.failures, job.breakpoints, job.stopped, job.let_go, job.put_off,
                job.expected, job.early,
            ):  # fmt: skip
                work.clear()
            job.compensations.clear()
            job.staged_outputs = 0
        self.report(job)
        self.undo_at_end(job)
        self.give_key_up(job)

    # --- lineage --------------------------------------------------------------------------

    def report(self, job: Job) -> None:
        """The invocation that waits for the job may run."""
        if job.parent is None:
            return
        parent = self.jobs[job.parent[0]]
        invocation = parent.children.pop(job.id, None)
        if invocation is None:
            return
        on_its_way = invocation in parent.failures
        if job.status == "failed":
            parent.failures[invocation] = (job.id, parent.retries)
        if not on_its_way:
            self.enqueue(parent, invocation)

    def await_again(self, job: Job, invocation: str) -> str:
        """``waits``: for a child that was retried, or is to be; ``ended``: the child has since;
        empty: what the invocation was told of its child holds.
        """
        if invocation not in job.failures:
            return ""
        child_id, retries = job.failures[invocation]
        child = self.jobs[child_id]
        if child.status == "failed":
            if retries == job.retries:
                return ""
            self.timers[child_id, "retry", job.id, invocation] = True
        del job.failures[invocation]
        job.attempts.pop(invocation, None)
        if child.status in ("completed", "cancelled"):
            return "ended"
        job.children[child_id] = invocation
        return "waits"

    def rejoin(self, job: Job) -> bool:
        """A job that is retried is waited for again, or runs alone; False: it cannot."""
        if job.parent is None:
            return True
        parent, invocation = self.jobs[job.parent[0]], job.parent[1]
        if parent.status == "cancelled" or parent.undo:
            return False
        if invocation not in parent.uncommitted:
            job.parent = None
            return True
        parent.children[job.id] = invocation
        if parent.status == "failed":
            self.look_at(job.id, due=False)
        return True

    def may_go_on(self, job: Job) -> str:
        """Empty, or why nothing of the job may start: ``held``, ``orphaned``, ``ended``."""
        for above in self.with_ancestors(job):
            undone = above is not job and above.undo
            if (above.status in ("paused", "failed") and not undone) or above.held:
                return "held"
            if above.status in ENDED:
                return "ended" if above is job else "orphaned"
        return ""

    def with_ancestors(self, job: Job) -> Iterator[Job]:
        yield job
        while job.parent is not None:
            job = self.jobs[job.parent[0]]
            yield job

    # --- beginning -----------------------------------------------------------------------

    def create(
        self, plan: Plan, parent: tuple[str, str] | None = None, single: str = "",
        held: bool = False,
    ) -> None:  # fmt: skip
        """``held``: another job has the key ``single``."""
        inherits = parent is not None and plan.labels == INHERITED
        labels = self.jobs[parent[0]].labels if parent and inherits else read_labels(plan.labels)
        inherited = self.jobs[parent[0]].fair if parent else ""
        job = Job(plan, parent, labels=dict(labels), fair=plan.fair or inherited)
        self.jobs[plan.id] = job
        job.single, job.held = single, held
        self.deliver(job, plan.entry)
        for kind in ("started", "finished") if plan.deadlines else ():
            job.deadlines.add(kind)
            self.timers[job.id, "deadline", kind] = False
        if not job.uncommitted:
            self.resolve_open(job)
        if job.held:
            self.hold(job)

    def wait_for(self, job: Job, invocation: str, child: str, record: bytes) -> tuple[str, str]:
        """The invocation of the job that waits for a child job."""
        job.last += 1
        waiter = f"{job.last}.{invocation.split('.')[1]}.{WAITING_SLOT}"
        job.invocations.append(waiter)
        job.uncommitted[waiter] = record
        job.children[child] = waiter
        return job.id, waiter
