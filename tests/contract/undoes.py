"""The part of the state machine in which jobs are undone, and what must hold of how they were."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from flowforge.store.transitions.bulks import NewBulk
from tests.contract.bench import UNDO
from tests.contract.calls import Calls
from tests.contract.reference.flow import SLOTS, UNDOABLE
from tests.contract.reference.jobs import Job
from tests.contract.reference.model import Done


class Undoes(Calls):
    """Makes these transitions on both sides."""

    def __init__(self) -> None:
        super().__init__()
        #: Job -> records of what would compensate its commits, in the order of these.
        self.committed: defaultdict[str, list[bytes]] = defaultdict(list)
        #: Undoing job -> records of what it has committed and of what was skipped, in order.
        self.compensated: defaultdict[str, list[bytes]] = defaultdict(list)
        #: Record of a compensation that was edited -> the one before.
        self.edited: dict[bytes, bytes] = {}
        #: What the server has of the compensation that is committed next.
        self.record = b""

    def as_sent(self, job: Job, invocation: str, done: Done) -> Done:
        """What a worker commits of it: with a record where the slot has an undo, and of a
        compensation neither emissions nor jobs, since its attempt has refused them.
        """
        self.record = self._stored(job, invocation)
        if is_compensation(invocation):
            return replace(done, emitted=(), jobs=(), expected=())
        routine, slot = invocation.split(".")[1:3]
        undoable = job.plan.undoable and not job.undoes and f"{routine}.{slot}" in UNDOABLE
        if done.outcome != "completed" or not undoable:
            return done
        return replace(done, undo=(f"{routine}.{int(slot) + UNDO}", self.new_record()))

    @precondition(lambda self: self.jobs("pending", "running", "paused"))
    @rule(data=st.data(), twice=st.booleans())
    def cancel_with_undo(self, data: st.DataObject, twice: bool) -> None:
        """By one or by two people, the second of whom finds that it has ended."""
        self._cancel_with_undo(self.some_job(data, "pending", "running", "paused"), 1 + twice)

    def _cancel_with_undo(self, job: Job, times: int) -> None:
        for _ in range(times):
            expected = self.model.cancel(job, undo=True)
            with self.sending():
                assert self.bench.store.control.cancel(job.id, "", "kim", True) == expected

    @precondition(lambda self: self.has_something_to_undo())
    @rule(data=st.data())
    def cancel_many_with_undo(self, data: st.DataObject) -> None:
        """A bulk operation undoes those that have not ended."""
        known = sorted(self.model.jobs)
        jobs = data.draw(st.lists(st.sampled_from(known), unique=True, min_size=1), "jobs")
        for job_id in jobs:
            self.model.cancel(self.model.jobs[job_id], undo=True)
        self.operations += 1
        bulk_id, bulks = f"b{self.operations}", self.bench.store.bulks
        # The last one is acted on first.
        assert bulks.collect(bulk_id, 0, jobs[::-1]) == len(jobs)
        new = NewBulk("cancel", "kim", "look", None, "", {}, undo=True)
        assert bulks.start(bulk_id, len(jobs), new) == "ok"
        with self.sending():
            while bulks.step(bulk_id).left:
                pass

    def has_something_to_undo(self) -> bool:
        """Whether a job that has not ended has committed something, or is about to."""
        live = [self.model.jobs[one] for one in self.jobs("pending", "running", "paused")]
        return any(job.undo_log or self.model.running(job) for job in live)

    def undoable_work(self) -> list[str]:
        """Jobs that can be undone or undo another one, of which something can be claimed."""
        unclaimed = {member[0] for member in self.all_unclaimed()}
        return [job_id for job_id in sorted(unclaimed) if self.model.jobs[job_id].plan.undoable]

    def unclaimed_of(self, job: Job) -> list[str]:
        return [name for job_id, name in self.all_unclaimed() if job_id == job.id]

    # --- what was undone -------------------------------------------------------------------

    def note_commit(self, job: Job, invocation: str, done: Done, answer: str) -> None:
        """What is committed is to be undone, or has undone something."""
        if answer == "ok" and done.undo is not None:
            self.committed[job.id].append(done.undo[1])
        elif answer == "ok" and is_compensation(invocation):
            self._note_compensated(job, self.record)

    def _mend(self, data: st.DataObject, verb: str, job: Job, invocation: str) -> None:
        before = self._stored(job, invocation)
        super()._mend(data, verb, job, invocation)
        after = self._stored(job, invocation)
        if before and is_compensation(invocation):
            if not after:
                self._note_compensated(job, before)
            elif after != before:
                self.edited[after] = before

    def _note_compensated(self, job: Job, record: bytes) -> None:
        while record in self.edited:
            record = self.edited[record]
        self.compensated[job.id].append(record)

    def _stored(self, job: Job, invocation: str) -> bytes:
        """The record that the server has of a compensation; empty for anything else."""
        if not job.undoes or not is_compensation(invocation):
            return b""
        found = self.bench.link.call("HGET", self.bench.key("invocations", job.id), invocation)
        return found or b""

    def all_is_undone(self) -> None:
        """Whatever happened: each commit of an undone job once, the latest first, and no other."""
        for job in self.model.jobs.values():
            committed = self.committed[job.id]
            if job.undo in ("", "nothing"):
                assert not committed or job.status in ("completed", "cancelled"), job.id
                assert not committed or not job.to_undo, job.id
            else:
                assert job.status in ("failed", "cancelled")
                undoing = self.model.jobs[job.undo]
                compensated = self.compensated[undoing.id]
                assert compensated == committed[::-1][: len(compensated)]
                assert undoing.status == "cancelled" or len(compensated) == len(committed)


def is_compensation(invocation: str) -> bool:
    """Whether it compensates another one."""
    return UNDO <= int(invocation.split(".")[2]) < UNDO + SLOTS
