"""Why a job stands where it does: what runs, what waits and for what, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from flowforge.engine.explain.blocking_parents import blocking_parent
from flowforge.engine.explain.breakpoints import at_breakpoints
from flowforge.engine.explain.edit_command import edit_command
from flowforge.engine.explain.expectations import expected_answers
from flowforge.engine.explain.limits import at_limits
from flowforge.engine.explain.look import WorkLook
from flowforge.engine.explain.queues import QueueFindings
from flowforge.engine.explain.single import waits_for_turn
from flowforge.engine.explain.undo import undo_finding
from flowforge.engine.explain.work import WorkFindings
from flowforge.engine.failures import told_reason
from flowforge.engine.job_server import JobServer
from flowforge.errors import FlowForgeError, JobNotFoundError, RecordError
from flowforge.model.invocation_id import InvocationName
from flowforge.model.jobs.job_finding import FindingKind, JobFinding
from flowforge.model.jobs.status import ENDED, JobStatus
from flowforge.model.jobs.undo import Undo
from flowforge.model.times.schedule import time_text
from flowforge.store.invocation_reads.invocation_lookup import InvocationLookup
from flowforge.store.job_reads.job_rows import JobDetails, JobSummary
from flowforge.store.job_reads.outstanding import Outstanding
from flowforge.store.reading import reading
from flowforge.store.server.outage import Outage

#: Child jobs whose own first reason is looked up, and how many jobs deep.
_CHILDREN = 3
_DEEPEST = 5

#: What a finding tells of the error of a job.
_TOLD = ("type", "message", "at", "attempt", "trace_id", "span_id")


def explain(server: JobServer, job_id: str) -> list[JobFinding]:
    """The findings on a job, what keeps it from going on first; JobNotFoundError."""
    return list(_findings(server, job_id, 0))


def overdue(server: JobServer, job_id: str) -> str:
    """What to say of a job that has not ended in time: how it stands, and the first reason."""
    return f"job {job_id} is still {server.inspector.status(job_id)}{_first_reason(server, job_id)}"


def unreported(outage: Outage) -> str:
    """Why silence of the workers says nothing of them."""
    return f"workers cannot report while {refuses(outage)}"


def refuses(outage: Outage) -> str:
    """That the server takes no writes."""
    return f"the server takes no writes: it {outage.state}"


def _first_reason(server: JobServer, job_id: str) -> str:
    try:
        first = next(_findings(server, job_id, 0), None)
    except FlowForgeError:
        # The timeout itself is what has to be said.
        return ""
    if first is None:
        return ""
    return f"; {first.what}" + (f": {first.command}" if first.command else "")


def _findings(server: JobServer, job_id: str, depth: int) -> Iterator[JobFinding]:
    summary, details = server.inspector.describe(job_id)
    yield from _reasons(server, summary, details, depth)
    if details.schedule is not None and details.scheduled_at is not None and not depth:
        time = time_text(int(details.scheduled_at.timestamp()))
        yield JobFinding(
            FindingKind.SCHEDULE.value,
            f"schedule {details.schedule} has started it, for {time}",
            command=f"flowforge schedules show {details.schedule}",
            details={"schedule": details.schedule, "scheduled_at": details.scheduled_at},
        )


def _reasons(
    server: JobServer, summary: JobSummary, details: JobDetails, depth: int
) -> Iterator[JobFinding]:
    job_id = summary.job_id
    if summary.status in ENDED:
        undo = server.inspector.undo(job_id) if summary.is_undone else None
        yield _ended(server, summary, details, undo)
        if undo is not None:
            yield undo_finding(undo, lambda one: next(_findings(server, one, depth + 1), None))
        if not summary.counts["running"]:
            return
    outage = None if summary.status in ENDED or depth else server.outage()
    if outage is not None:
        yield JobFinding(FindingKind.OUTAGE.value, refuses(outage), command=outage.remedy)
    above: list[JobFinding] = []
    if summary.status is JobStatus.PAUSED:
        yield _paused(server, summary, details)
    elif summary.status not in ENDED and details.parent_job_id is not None:
        above = list(_held_by_parent(server, details.parent_job_id))
        yield from above
    turn = (
        list(waits_for_turn(server, summary, lambda one: _first_of(server, one, depth)))
        if summary.held else []
    )  # fmt: skip
    yield from turn
    look = WorkLook(server, summary, details, silenced=outage is not None)
    work = WorkFindings(look)
    yield from (
        work.running()
        if summary.status in ENDED
        else _active(look, work, depth, told=bool(turn or above))
    )
    if summary.status in ENDED:
        return
    yield from work.late()
    yield from work.deadlines()


def _active(look: WorkLook, work: WorkFindings, depth: int, *, told: bool) -> Iterator[JobFinding]:
    """``told``: whether what has been said already is why a held job does not go on."""
    server, summary, queues = look.server, look.job, QueueFindings(look)
    stopped = at_breakpoints(
        server, summary.job_id, summary.counts["stopped"], look.definition, look.outstanding
    )
    expected = expected_answers(server, summary.job_id, summary.counts["expected"], look.definition)
    limited = at_limits(server, summary.job_id, summary.counts["at_limits"], look.definition)
    found = chain(
        stopped, queues.paused(), queues.unserved(), work.running(), work.hanging(),
        queues.queued(), work.on_timers(), limited, expected,
        _child_jobs(server, look.outstanding, summary, depth), work.joins(), work.parked(),
    )  # fmt: skip
    anything = told and summary.held
    for finding in found:
        anything = True
        yield finding
    if not anything and summary.status is not JobStatus.PAUSED:
        yield JobFinding(
            FindingKind.STUCK.value,
            "nothing of it is queued, running or on a timer, and nothing else moves it on",
            since=summary.updated_at,
            command=f"flowforge pause {summary.job_id} and flowforge resume {summary.job_id}",
        )


def _ended(
    server: JobServer, job: JobSummary, details: JobDetails, undo: Undo | None
) -> JobFinding:
    if job.status is JobStatus.COMPLETED:
        return JobFinding(FindingKind.COMPLETED.value, "it completed", since=details.ended_at)
    if job.status is JobStatus.CANCELLED:
        return JobFinding(
            FindingKind.CANCELLED.value,
            f"it was cancelled{_who_and_why(details.by, job.reason)}",
            since=details.ended_at,
            details={"reason": job.reason or "", "by": details.by or ""},
        )
    why = told_reason(server.inspector, job.job_id)
    error = server.inspector.error(job.job_id) or {}
    number = error.get("invocation")
    params = _params(server, job.job_id, number)
    edit = edit_command(job.job_id, number, params, str(error.get("message", "")))
    return JobFinding(
        FindingKind.FAILED.value,
        f"it failed: {why}",
        since=details.ended_at,
        command=f"flowforge retry {job.job_id}" if undo is None else None,
        invocation=number if isinstance(number, int) else None,
        routine_id=error.get("routine_id"),
        slot=error.get("slot"),
        details={
            **{name: error[name] for name in _TOLD if name in error},
            "params": params,
            **({} if edit is None or undo is not None else {"edit_command": edit}),
        },
    )


def _params(server: JobServer, job_id: str, number: Any) -> dict[str, Any] | None:
    """The params of the invocation that failed the job, while the job keeps them."""
    if not isinstance(number, int):
        return None
    definition = server.inspector.definition(job_id)
    found = InvocationLookup(server.store).find(job_id, definition, number)
    if found is None:
        return None
    with reading(f"the invocations of job {job_id}"):
        name = InvocationName.parse(found.invocation)
    return Outstanding(server.store, job_id, definition).params(name)


def _paused(server: JobServer, job: JobSummary, details: JobDetails) -> JobFinding:
    point = server.inspector.latest_pause(job.job_id)
    parked, running = job.counts["parked"], job.counts["running"]
    what = f"it is paused{_who_and_why(details.by, job.reason)}"
    what += f"; parked invocations: {parked}" if parked else ""
    what += f"; handlers that still run: {running}" if running else ""
    return JobFinding(
        FindingKind.PAUSED.value,
        what,
        since=point["at"] if point else job.updated_at,
        command=f"flowforge resume {job.job_id}",
        count=parked,
        details={"reason": job.reason or "", "by": details.by or ""},
    )


def _who_and_why(by: str | None, reason: str | None) -> str:
    if by is None:
        return f": {reason or 'no reason was given'}"
    return f" by {by} ({reason})" if reason else f" by {by}"


def _held_by_parent(server: JobServer, parent_job_id: str) -> Iterator[JobFinding]:
    parent = blocking_parent(server.inspector, parent_job_id)
    if parent is None:
        return
    status = parent.status or "gone"
    what = f"job {parent.job_id}, which has started it, is {status}"
    if parent.command is None:
        what += ": the upkeep cancels this job"
    else:
        what += f": {_reason_of(server, parent.job_id)}"
    yield JobFinding(
        FindingKind.PARENT.value, what, command=parent.command,
        details={"job_id": parent.job_id, "status": status},
    )  # fmt: skip


def _reason_of(server: JobServer, job_id: str) -> str:
    try:
        return told_reason(server.inspector, job_id)
    except (JobNotFoundError, RecordError) as error:
        return str(error)


def _child_jobs(
    server: JobServer, outstanding: Outstanding, job: JobSummary, depth: int
) -> Iterator[JobFinding]:
    """Child jobs that the job waits for, each with its own first reason."""
    count, children = outstanding.children(_CHILDREN)
    for child_id, waiter in children:
        reason = _first_of(server, child_id, depth)
        yield JobFinding(
            FindingKind.CHILD.value,
            _child_text(server, job, waiter, child_id, reason),
            since=None if reason is None else reason.since,
            until=None if reason is None else reason.until,
            command=f"flowforge explain {child_id}" if reason is None else reason.command,
            invocation=waiter.number,
            count=count,
            details={"job_id": child_id, "kind": None if reason is None else reason.kind},
        )


def _child_text(
    server: JobServer, job: JobSummary, waiter: InvocationName, child_id: str,
    reason: JobFinding | None,
) -> str:  # fmt: skip
    routine_id, _ = server.inspector.definition(job.job_id).place_of(waiter)
    because = "" if reason is None else f": {reason.what}"
    return f"{routine_id} (invocation {waiter.number}) waits for its child job {child_id}{because}"


def _first_of(server: JobServer, job_id: str, depth: int) -> JobFinding | None:
    """The first finding on a job that another one waits for."""
    if depth >= _DEEPEST:
        return None
    try:
        return next(_findings(server, job_id, depth + 1), None)
    except (JobNotFoundError, RecordError) as error:
        return JobFinding(FindingKind.STUCK.value, str(error))
