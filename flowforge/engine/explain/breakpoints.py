"""The findings on invocations that have stopped at breakpoints."""

from __future__ import annotations

from collections.abc import Iterator

from flowforge.engine.job_server import JobServer
from flowforge.model.definition import Definition
from flowforge.model.jobs.breakpoint import Breakpoint
from flowforge.model.jobs.job_finding import FindingKind, JobFinding
from flowforge.store.job_reads.outstanding import Outstanding
from flowforge.store.reading import moment
from flowforge.store.transitions.breakpoints import Stopped

#: Invocations that are named.
_SAMPLES = 5


def at_breakpoints(
    server: JobServer, job_id: str, count: int, definition: Definition, outstanding: Outstanding
) -> Iterator[JobFinding]:
    """The invocations that stopped first, of ``count``, and what lets them go."""
    if not count:
        return
    store = server.store.breakpoints
    by_routine = {one.routine_id: one for one in store.of_job(job_id, definition)}
    for stopped in store.stopped(job_id, _SAMPLES):
        routine_id, _ = definition.place_of(stopped.invocation)
        found = by_routine.get(routine_id)
        yield _finding(job_id, count, definition, outstanding, stopped, found)


def _finding(
    job_id: str, count: int, definition: Definition, outstanding: Outstanding, stopped: Stopped,
    found: Breakpoint | None,
) -> JobFinding:  # fmt: skip
    invocation = stopped.invocation
    routine_id, slot = definition.place_of(invocation)
    what = f"{routine_id}.{slot} (invocation {invocation.number}) has stopped at a breakpoint"
    if found is None:
        what += " that was cleared"
    elif found.condition:
        what += f": {found.condition}"
    if count > 1:
        what += f" (one of {count})"
    every = f", all: flowforge continue {job_id}" if count > 1 else ""
    return JobFinding(
        FindingKind.BREAKPOINT.value,
        what,
        since=moment(max(0, stopped.at)),
        command=f"flowforge step {job_id} {invocation.number}{every}",
        invocation=invocation.number,
        routine_id=routine_id,
        slot=slot,
        count=count,
        details={
            "condition": None if found is None else found.condition,
            "by": None if found is None else found.by,
            "params": outstanding.params(invocation),
        },
    )
