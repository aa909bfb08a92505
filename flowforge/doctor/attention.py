"""What needs a person, for a list that is looked at all the time: bounded, and in groups."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from flowforge.common.counted import counted
from flowforge.common.duration import duration
from flowforge.doctor.schedules import LATELY
from flowforge.doctor.work import idle_jobs
from flowforge.engine.engine import Engine
from flowforge.engine.explain.queues import resume_command
from flowforge.engine.finding.find import find, summaries
from flowforge.engine.finding.find_expectations import find_expectations
from flowforge.engine.fleet.queues import queues
from flowforge.engine.workers import Fleet
from flowforge.model.answers.expectation import Expectation
from flowforge.model.jobs.status import JobStatus
from flowforge.model.times.schedule import ScheduleStatus
from flowforge.model.times.schedule_info import ScheduleInfo
from flowforge.store.fleet_reads.finding import Query
from flowforge.store.job_reads.job_rows import ActiveJob, JobRows, JobSummary
from flowforge.store.reading import moment

#: Jobs of each status that are looked at.
_LOOK = 100

#: Assignees that are named.
_NAMED = 5

#: How the reason of a job begins that a handler has failed: place and class of the error.
_CAUSE = re.compile(r"(\S+: [\w.]+): ")


class AttentionKind(StrEnum):
    """Why a person is needed, the most urgent first."""

    #: Messages wait on a queue that no live worker serves.
    UNSERVED = "unserved"
    #: Jobs have nothing queued, running or on a timer, and have not ended.
    STUCK = "stuck"
    #: A schedule cannot start its jobs, is late, or was paused because a job of it has failed.
    SCHEDULE = "schedule"
    #: Jobs failed because invocations cost too many workers.
    QUARANTINED = "quarantined"
    #: Jobs failed.
    FAILED = "failed"
    #: Invocations have stopped at breakpoints.
    BREAKPOINT = "breakpoint"
    #: Work waits on a queue that is paused.
    QUEUE_PAUSED = "queue_paused"
    #: Jobs wait for answers from outside.
    ANSWER = "answer"
    #: Jobs are paused.
    PAUSED = "paused"
    #: Times of a schedule passed lately without a job, as no worker was there.
    MISSED = "missed"
    #: Jobs failed, and what they did is undone, or is to be: no retry continues them.
    UNDONE = "undone"


_ORDER = list(AttentionKind)


@dataclass(frozen=True)
class Attention:
    """Jobs, a queue, or a schedule that need a person for one cause.

    ``what``: the cause, for people. ``count``: how many jobs, answers or messages; with ``more`` at
    least so many. ``since``: of the one that has waited longest. ``cause``: a text that the search
    for these jobs can have; empty where there is none. ``command``: of a queue, what starts a
    worker for it, or resumes it. ``invocation``: of the answer, if it is the only one.
    ``schedule``: the name of the schedule that it is about.
    """

    kind: AttentionKind
    what: str
    count: int
    since: datetime | None = None
    more: bool = False
    flow_id: str = ""
    cause: str = ""
    job_ids: Sequence[str] = ()
    command: str = ""
    invocation: int | None = None
    schedule: str = ""


def attention(engines: Sequence[Engine]) -> list[Attention]:
    """What needs a person now, the most urgent first."""
    found = [
        *_failed(engines),
        *_paused(engines),
        *_answers(engines),
        *(one for engine in engines for one in _active(engine)),
        *(one for engine in engines for one in _unserved(engine)),
        *(one for engine in engines for one in _schedules(engine)),
    ]
    return sorted(found, key=lambda one: (_ORDER.index(one.kind), -one.count, one.what))


def _failed(engines: Sequence[Engine]) -> Iterator[Attention]:
    """Failed jobs by flow and cause."""
    page = find(engines, Query(status=JobStatus.FAILED), _LOOK)
    groups: dict[tuple[str, str, str], list[JobSummary]] = defaultdict(list)
    for job in summaries(page.jobs):
        reason = job.reason or "no reason is kept"
        match = _CAUSE.match(reason)
        cause = match[1] if match else ""
        is_quarantined = "quarantined" in reason and not cause
        kind = "undone" if job.is_undone else "quarantined" if is_quarantined else "failed"
        groups[kind, job.flow_id, cause or ("" if is_quarantined else reason)].append(job)
    for (kind, flow_id, _), jobs in groups.items():
        match = _CAUSE.match(jobs[0].reason or "")
        yield _of_jobs(
            AttentionKind(kind), jobs[0].reason or "no reason is kept", jobs,
            flow_id=flow_id, cause=match[1] if match else "", more=page.cursor is not None,
        )  # fmt: skip


def _paused(engines: Sequence[Engine]) -> Iterator[Attention]:
    """Paused jobs by flow and reason."""
    page = find(engines, Query(status=JobStatus.PAUSED), _LOOK)
    groups: dict[tuple[str, str], list[JobSummary]] = defaultdict(list)
    for job in summaries(page.jobs):
        groups[job.flow_id, job.reason or ""].append(job)
    for (flow_id, reason), jobs in groups.items():
        yield _of_jobs(
            AttentionKind.PAUSED, reason or "no reason was given", jobs,
            flow_id=flow_id, cause=reason, more=page.cursor is not None,
        )  # fmt: skip


def _answers(engines: Sequence[Engine]) -> Iterator[Attention]:
    """Answers that jobs have waited for longest, by flow and slot."""
    page = find_expectations(engines, _LOOK)
    groups: dict[tuple[str, str, str], list[Expectation]] = defaultdict(list)
    for one in page.expectations:
        groups[one.flow_id, one.routine_id, one.slot].append(one)
    for (flow_id, routine_id, slot), found in groups.items():
        names = list(dict.fromkeys(name for one in found for name in one.assign))
        rest = len(names) - _NAMED
        from_whom = f" from {', '.join(names[:_NAMED])}" if names else ""
        from_whom += f" and {rest} more" if rest > 0 else ""
        jobs = list(dict.fromkeys(one.job_id for one in found))
        alone = len(found) == 1 and page.cursor is None
        yield Attention(
            AttentionKind.ANSWER, f"an answer for {routine_id}.{slot} is expected{from_whom}",
            len(found), found[0].since, page.cursor is not None, flow_id, "", jobs,
            invocation=found[0].invocation if alone else None,
        )  # fmt: skip


def _of_jobs(
    kind: AttentionKind, what: str, jobs: Sequence[JobSummary],
    *, flow_id: str, cause: str, more: bool,
) -> Attention:  # fmt: skip
    since = min(job.updated_at or job.created_at for job in jobs)
    ids = [job.job_id for job in jobs]
    return Attention(kind, what, len(jobs), since, more, flow_id, cause, ids)


def _active(engine: Engine) -> Iterator[Attention]:
    """Jobs that nothing moves on, and those that have stopped at breakpoints, each by itself."""
    active = [
        one for one in engine.overview.active(_LOOK, oldest=True) if isinstance(one, ActiveJob)
    ]
    stuck, _ = idle_jobs(engine, active)
    stopped = {job.job_id: job.counters["stopped"] for job in active if job.counters["stopped"]}
    for job in JobRows(engine.store).summaries([*stuck, *stopped]):
        if not isinstance(job, JobSummary):
            continue
        kind, what = AttentionKind.STUCK, "nothing of it is queued, running or on a timer"
        if job.job_id in stopped:
            kind = AttentionKind.BREAKPOINT
            many = counted(stopped[job.job_id], "invocation has", "invocations have")
            what = f"{many} stopped at breakpoints"
        yield _of_jobs(kind, what, [job], flow_id=job.flow_id, cause="", more=False)


def _unserved(engine: Engine) -> Iterator[Attention]:
    fleet = Fleet(engine.store)
    for one in queues(engine, fleet) if fleet.complete else ():
        if one.waiting and one.pause is not None:
            why = f": {one.pause.reason}" if one.pause.reason else ""
            yield Attention(
                AttentionKind.QUEUE_PAUSED,
                f"queue {one.name} is paused by {one.pause.by}{why}",
                one.waiting,
                one.pause.since,
                command=resume_command(one.name),
            )
        elif one.waiting and not one.workers:
            what = f"no worker serves queue {one.name}"
            yield Attention(AttentionKind.UNSERVED, what, one.waiting, command=one.command)


def _schedules(engine: Engine) -> Iterator[Attention]:
    """Those that do not start their jobs, each by itself."""
    if not engine.schedules.total():
        return
    now = moment(engine.overview.now())
    for one in engine.schedules.coming(0, _LOOK):
        # What cannot be read is for the doctor.
        if isinstance(one, ScheduleInfo):
            yield from _schedule(one, now)


def _schedule(one: ScheduleInfo, now: datetime) -> Iterator[Attention]:
    what, since = "", one.starts_at
    if one.failed_job_id:
        what, since = f"job {one.failed_job_id} has failed, which paused it", one.paused_at
    elif one.status is ScheduleStatus.ACTIVE and one.problem:
        what = f"it cannot start its job: {one.problem}"
    elif one.late:
        what = f"it is {duration(one.late)} late: no worker has started its job"
    if what:
        ids = [one.failed_job_id] if one.failed_job_id else []
        yield Attention(
            AttentionKind.SCHEDULE, f"schedule {one.name}: {what}", 1, since,
            flow_id=one.flow_id, job_ids=ids, schedule=one.name,
        )  # fmt: skip
    if one.missed_at and now - one.missed_at < LATELY:
        yield Attention(
            AttentionKind.MISSED,
            f"schedule {one.name} has missed times: no worker was there to start their jobs",
            one.skipped.get("missed", 1), one.missed_at, flow_id=one.flow_id, schedule=one.name,
        )  # fmt: skip
