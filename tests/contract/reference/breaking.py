"""Breakpoints: what stops before its handler starts, and what lets it go."""

from __future__ import annotations

from collections.abc import Sequence

from flowforge.codec.binary import read_invocation
from tests.contract.reference.jobs import Job
from tests.contract.reference.mending import FINAL, Mending


def routine_of(invocation: str) -> int:
    return int(invocation.split(".")[1])


class Breaking(Mending):
    """A breakpoint is at a routine: for all of its invocations, or above a param's value."""

    def stops(self, job: Job, invocation: str) -> bool:
        """Whether a claim of what is unclaimed is stopped."""
        routine = routine_of(invocation)
        if routine not in job.breakpoints or invocation in job.let_go or self.may_go_on(job):
            return False
        if invocation.endswith(".99999"):
            return False
        least = job.breakpoints[routine]
        record = job.uncommitted[invocation]
        if least is None:
            return True
        if record.startswith(b"J"):
            return False
        # The params of several calls have no such name.
        value = read_invocation(record, "it")[1].get("n")
        return value is not None and value > least

    def stop_there(self, job: Job, invocation: str) -> str:
        job.stopped.append(invocation)
        job.history["stopped"] += 1
        self.settle(job)
        return "stopped"

    def break_at(self, job: Job, routine: int, least: int | None) -> str:
        if job.status in FINAL:
            return job.status
        job.breakpoints[routine] = least
        job.breaks = True
        job.history["break_set"] += 1
        return "ok"

    def clear_break(self, job: Job, routine: int | None) -> str:
        """What has stopped stays so until it is let go."""
        if job.status in FINAL:
            return job.status
        if not job.breakpoints or (routine is not None and routine not in job.breakpoints):
            return "none"
        if routine is None:
            job.breakpoints.clear()
        else:
            del job.breakpoints[routine]
        job.breaks = bool(job.breakpoints)
        self.look_at_children(job, due=True)
        job.history["break_cleared"] += 1
        return "ok"

    def let_go_of(self, job: Job, invocations: Sequence[str]) -> str:
        """In this order. What is named and has not stopped is not let go."""
        if job.status in FINAL:
            return job.status
        stopped = [invocation for invocation in invocations if invocation in job.stopped]
        for invocation in stopped:
            job.stopped.remove(invocation)
            job.let_go.add(invocation)
            self.enqueue(job, invocation)
        job.history["let_go"] += bool(stopped)
        return "ok" if stopped else "none"
