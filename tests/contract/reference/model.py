"""What the Lua scripts do, said again in Python, as plainly as possible.

The model keeps places (unclaimed, leases, timers, parked) where the scripts keep counters too: a
counter that drifts from its place is what the state machine is after. It leaves times out. Leases
and timers are handled in the order in which they were made; whether one is due is said when it is
made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from tests.contract.reference.due import Due
from tests.contract.reference.flow import is_timed
from tests.contract.reference.jobs import (
    ENDED,
    Attempts,
    Expected,
    Item,
    Job,
    Lease,
    Member,
    Plan,
    Undo,
)

#: A lost delivery too many (reclaim), or one worker too many without the class (give_back).
MOST = 3

#: Messages that one commit looks at to go on.
LOOKS = 8


@dataclass(frozen=True)
class Done:
    """What a handler did, as its commit says it."""

    outcome: str = "completed"
    emitted: Sequence[Item] = ()
    outputs: int = 0
    #: Merging slots of which everything so far is consumed.
    #: Slot and position up to which it is consumed; -1: all.
    resets: Sequence[tuple[str, int]] = ()
    #: Jobs to start, and the records of what waits for them.
    jobs: Sequence[tuple[Plan, bytes]] = field(default=())
    #: Answers that it expects; ``first`` and ``last`` count from 1, within these.
    expected: Sequence[Expected] = ()
    #: What compensates it, where its slot has an undo.
    undo: Undo | None = None


class Model(Due):
    """All transitions. Each returns what its script answers."""

    def submit(self, plan: Plan) -> None:
        self.create(plan)

    def claim(self, job: Job, invocation: str, token: str, expired: bool) -> str:
        member = (job.id, invocation)
        unclaimed = self.unclaimed[self.list_of(job, invocation)]
        if member in unclaimed and self.stops(job, invocation):
            del unclaimed[member]
            self.leave_turn(self.list_of(job, invocation), member)
            return self.stop_there(job, invocation)
        if unclaimed.pop(member, None) is None:
            lease = self.leases.get(member)
            if lease is None or lease.token != token:
                aside = self.aside[self.list_of(job, invocation)]
                return "paused" if member in aside else "taken"
            return "dropped" if job.status in ENDED else "granted"
        self.leave_turn(self.list_of(job, invocation), member)
        refused = self._refuse_claim(job, invocation)
        if refused:
            return refused
        if self.missed(job):
            job.parked.append(invocation)
            self.miss(job, self.missed(job))
            return "dropped"
        job.status = "running"
        job.started += 1
        job.attempts.setdefault(invocation, Attempts()).claims += 1
        self.leases[member] = Lease(token, expired)
        self.begin_timeout(job, invocation)
        self.top_up(job)
        return "granted"

    def _refuse_claim(self, job: Job, invocation: str) -> str:
        """Empty, or why the job's work does not start now."""
        why = self.may_go_on(job)
        if why == "held":
            job.parked.append(invocation)
            return "dropped" if job.status == "failed" else "paused"
        if why == "orphaned":
            self.cancel_orphan(job)
        elif not why and self.await_again(job, invocation) == "waits":
            self.settle(job)
            return "paused"
        return "dropped" if why else ""

    def _take_lease(self, job: Job, invocation: str, token: str) -> str:
        """Empty, or why the lease is not the caller's. What is staged goes with it."""
        lease = self.leases.get((job.id, invocation))
        if lease is None or lease.token != token:
            return "stale" if invocation in job.uncommitted else "done"
        del self.leases[job.id, invocation]
        if job.status in ENDED:
            self.discard(job, invocation, token)
            return "dropped"
        return ""

    def discard(self, job: Job, invocation: str, token: str) -> None:
        self.drop_parts(job, invocation, token)
        job.closed["dropped"] += 1
        if job.status == "failed":
            unknown = job.attempts.get(invocation, Attempts()).unknown
            job.attempts[invocation] = Attempts(unknown=unknown)
            job.parked.append(invocation)
        if job.undo == "waits":
            self.begin_undo(job)
            self.give_key_up(job)

    def commit(self, job: Job, invocation: str, token: str, done: Done) -> str:
        answer = self._refuse_commit(job, invocation, token, done)
        answer = answer or self.commit_late(job, invocation, token, done.undo)
        answer = answer or self._take_lease(job, invocation, token)
        if answer:
            return answer
        # One that completes may go on after a child's failure, but not beside the child's retry.
        may_be_withdrawn = done.outcome != "completed" or job.has_extras
        if may_be_withdrawn and self._withdraw(job, invocation, token):
            return "ok"
        del job.uncommitted[invocation]
        job.attempts.pop(invocation, None)
        job.failures.pop(invocation, None)
        if job.breakpoints:
            job.let_go.discard(invocation)
        job.closed[done.outcome] += 1
        job.history[done.outcome] += 1
        if done.outcome != "completed":
            job.errors[done.outcome] += 1
        if done.undo:
            job.undo_log.insert(0, done.undo)
            job.extras = True
        for item in done.emitted:
            self.deliver(job, item)
        self.expect(job, [replace(one) for one in done.expected])
        self.put_out(job, done.outputs)
        for slot, position in done.resets:
            self.consume(job, slot, job.merged[slot] if position < 0 else position)
        self.let_epoch_go(job, invocation)
        # The items of a join go with the commit of its handler.
        job.collected.pop(int(invocation.partition(".")[0]), None)
        emitted, outputs = self.parts_of(job, invocation, token)
        self.drop_parts(job, invocation, token)
        if done.outcome == "completed":
            job.staged += emitted
            job.staged_outputs += len(outputs)
        waiters = [self.wait_for(job, invocation, plan.id, record) for plan, record in done.jobs]
        self.fire_complete(job)
        self.settle(job)
        for (plan, _), waiter in zip(done.jobs, waiters, strict=True):
            self.create(plan, waiter)
        return "ok"

    def _refuse_commit(self, job: Job, invocation: str, token: str, done: Done) -> str:
        """Empty, or why a commit with the lease changes nothing."""
        lease = self.leases.get((job.id, invocation))
        if lease is None or lease.token != token or done.outcome != "completed":
            return ""
        staged = any(self.parts_of(job, invocation, token))
        if staged and self.is_damaged(job, invocation, token):
            return "incomplete"
        if job.status not in ENDED and self.is_expected_already(job, [*done.expected]):
            return "expected"
        return ""

    def _withdraw(self, job: Job, invocation: str, token: str) -> bool:
        """Whether an attempt does not count: its child was retried since it began."""
        how = self.await_again(job, invocation)
        if not how:
            return False
        self.drop_parts(job, invocation, token)
        job.closed["released"] += 1
        job.history["released"] += 1
        if how == "ended":
            self.enqueue(job, invocation)
        self.settle(job)
        return True

    def run_on(self, number: int, token: str, expired: bool) -> Member | None:
        """What a commit claims next from a list."""
        for _ in range(LOOKS):
            if not self.lists[number]:
                return None
            job_id, invocation = self.lists[number][0]
            job = self.jobs[job_id]
            if job.breaks or is_timed(job.plan.flow, invocation):
                # Left to a worker that can judge its condition, or to Celery's main process.
                return None
            self.lists[number].pop(0)
            if self.claim(self.jobs[job_id], invocation, token, expired) == "granted":
                return job_id, invocation
        return None

    def stage(
        self,
        job: Job,
        invocation: str,
        token: str,
        items: Sequence[Item],
        already: int,
        kind: str = "",
    ) -> str:
        lease = self.leases.get((job.id, invocation))
        if lease is None or lease.token != token or job.status in ENDED:
            return "stale"
        attempt = (job.id, invocation, token + kind)
        part = self.parts.get(attempt, [])
        there = len(part) + self.damaged.get(attempt, 0)
        if there == already:
            self.parts[attempt] = [*part, *items]
            job.puts_off = job.puts_off or any(item.later for item in items)
            self.stagers.add(attempt)
        elif there != already + len(items):
            return "incomplete"
        return "ok"

    def retry_later(self, job: Job, invocation: str, token: str, due: bool) -> str:
        return self._postpone(job, invocation, token, due, "retried")

    def release(self, job: Job, invocation: str, token: str, due: bool) -> str:
        lease = self.leases.get((job.id, invocation))
        held = lease is not None and lease.token == token and job.status not in ENDED
        if held:
            job.attempts[invocation].unknown += 1
            if job.attempts[invocation].unknown >= MOST:
                return self.stop(job, invocation, token, "Unknown")
            job.attempts[invocation].claims -= 1
        return self._postpone(job, invocation, token, due, "released")

    def _postpone(self, job: Job, invocation: str, token: str, due: bool, how: str) -> str:
        refused = self._take_lease(job, invocation, token)
        if refused:
            return refused
        if self._withdraw(job, invocation, token):
            return "ok"
        self.drop_parts(job, invocation, token)
        job.closed[how] += 1
        job.history[how] += 1
        if how == "retried":
            job.errors["Retried"] += 1
        self.timers[job.id, invocation] = due
        self.settle(job)
        return "ok"

    def stop(self, job: Job, invocation: str, token: str, kind: str = "Stopped") -> str:
        refused = self._take_lease(job, invocation, token)
        if refused:
            return refused
        if self._withdraw(job, invocation, token):
            return "ok"
        self.drop_parts(job, invocation, token)
        job.closed["failed"] += 1
        job.history["failed"] += 1
        self.fail_for(job, invocation, kind)
        return "ok"

    def give_back(self, job: Job, invocation: str, due: bool) -> str:
        if self.unclaimed[self.list_of(job, invocation)].pop((job.id, invocation), None) is None:
            return "taken"
        self.leave_turn(self.list_of(job, invocation), (job.id, invocation))
        if job.status in ("paused", "failed"):
            job.parked.append(invocation)
            return "paused"
        if job.status in ENDED:
            return "dropped"
        job.history["given_back"] += 1
        attempts = job.attempts.setdefault(invocation, Attempts())
        attempts.unknown += 1
        if attempts.unknown >= MOST:
            self.fail_for(job, invocation, "Unknown")
            return "failed"
        self.timers[job.id, invocation] = due
        self.settle(job)
        return "ok"

    # --- upkeep --------------------------------------------------------------------------

    def reclaim(self) -> tuple[int, int, int]:
        """Requeued, quarantined, dropped."""
        counts: Counter[str] = Counter()
        for member, lease in [pair for pair in self.leases.items() if pair[1].expired]:
            del self.leases[member]
            job, invocation = self.jobs[member[0]], member[1]
            self.drop_parts(job, invocation, lease.token)
            counts[self._lose(job, invocation, lease.token)] += 1
        return counts["requeued"], counts["quarantined"], counts["dropped"]

    def _lose(self, job: Job, invocation: str, token: str) -> str:
        if job.status in ENDED:
            self.discard(job, invocation, token)
            return "dropped"
        job.closed["lost"] += 1
        job.history["lost"] += 1
        job.attempts[invocation].lost += 1
        if job.attempts[invocation].lost >= MOST:
            self.fail_for(job, invocation, "Quarantined")
            return "quarantined"
        self.enqueue(job, invocation)
        self.settle(job)
        return "requeued"

    def resend(self, number: int, lost: Iterable[tuple[Member, int]]) -> tuple[int, int, int]:
        """Pushed, parked, dropped."""
        counts: Counter[str] = Counter()
        for member, push in lost:
            if self.unclaimed[number].get(member) != push:
                continue
            del self.unclaimed[number][member]
            job, invocation = self.jobs[member[0]], member[1]
            if job.live:
                self.push(job, invocation, again=True)
                counts["pushed"] += 1
                continue
            # As at a claim: what has its turn then is parked first.
            self.leave_turn(number, member)
            if job.status in ("paused", "failed"):
                job.parked.append(invocation)
                counts["parked"] += 1
            else:
                counts["dropped"] += 1
        return counts["pushed"], counts["parked"], counts["dropped"]

    def pop(self, number: int) -> None:
        """A worker pops a message; whether it claims is another matter."""
        if self.lists[number]:
            self.lists[number].pop(0)
