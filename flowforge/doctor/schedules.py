"""The doctor on schedules: whether their jobs start, can run, and succeed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta

from flowforge.common.counted import counted
from flowforge.common.duration import duration
from flowforge.doctor.findings import Finding, short
from flowforge.doctor.workers import examine_queue
from flowforge.engine.engine import Engine
from flowforge.errors import RecordError
from flowforge.model.jobs.status import JobStatus
from flowforge.model.times.schedule import ScheduleStatus
from flowforge.model.times.schedule_info import ScheduleInfo
from flowforge.store.definitions import stored_definition
from flowforge.store.fleet_reads.worker_reports import WorkerReport
from flowforge.store.job_reads.job_rows import JobRows, JobSummary
from flowforge.store.reading import moment

#: Schedules that are looked at, those that come next, and definitions of their flows.
_LOOK, _DEFINITIONS = 1000, 50

#: How long ago a missed time is told.
LATELY = timedelta(days=1)

_NAMED = 3


def examine_schedules(engine: Engine, live: Sequence[WorkerReport]) -> Iterator[Finding]:
    """Findings on the schedules of one server; none where there are none."""
    total, found = engine.schedules.total(), list[ScheduleInfo]()
    for one in engine.schedules.coming(0, _LOOK):
        if isinstance(one, RecordError):
            fix = "run the same FlowForge here as in the workers, or save the schedule again"
            yield Finding("warn", "schedule", str(one), fix)
        else:
            found.append(one)
    active = [one for one in found if one.status is ScheduleStatus.ACTIVE]
    problems = [
        *_late(engine, active, live),
        *_missed(engine, found),
        *_paused(found),
        *_failed(engine, active),
        *_vanished(active),
        *(_needs(engine, active, live) if live else ()),
    ]
    yield from problems
    if total and not problems:
        yield Finding("ok", "schedules", f"{total}, {len(active)} of the next {len(found)} active")


def _late(
    engine: Engine, active: Sequence[ScheduleInfo], live: Sequence[WorkerReport]
) -> Iterator[Finding]:
    """Those whose time has come and whose job has not been started."""
    refused = [one for one in active if one.problem]
    for one in refused[:_NAMED]:
        text = f"schedule {one.name} cannot start its job: {short(one.problem or '', 200)}"
        yield Finding("fail", "schedule", text, f"flowforge schedules show {one.name}")
    late = sorted((one for one in active if one.late and not one.problem), key=lambda o: -o.late)
    if late:
        named = ", ".join(f"{one.name} by {duration(one.late)}" for one in late[:_NAMED])
        fix = "look for 'upkeep failed' in the workers' logs"
        if not live or not engine.overview.has_leader():
            fix = "start a worker: flowforge worker; the one that leads starts the jobs"
        yield Finding("fail", "schedules", f"{counted(len(late), 'is', 'are')} late: {named}", fix)
    elif active and not live and not engine.idle:
        named = ", ".join(one.name for one in active[:_NAMED])
        yield Finding(
            "fail", "schedules", f"no worker is there to start the jobs of {len(active)}: {named}",
            "start one: flowforge worker",
        )  # fmt: skip


def _missed(engine: Engine, found: Sequence[ScheduleInfo]) -> Iterator[Finding]:
    """Those of which times were skipped lately since no worker had started their jobs in time."""
    now = moment(engine.overview.now())
    lately = [
        (one, one.missed_at) for one in found if one.missed_at and now - one.missed_at < LATELY
    ]
    if lately:
        named = ", ".join(
            f"{one.name} ({one.skipped.get('missed', 0)} in all, "
            f"{duration((now - at).total_seconds())} ago)"
            for one, at in lately[:_NAMED]
        )
        yield Finding(
            "warn", "schedules",
            f"{counted(len(lately), 'has', 'have')} missed times within a day: {named}",
            f"no worker led, or the server was away; flowforge schedules show {lately[0][0].name} "
            "has the times, flowforge schedules backfill starts their jobs",
        )  # fmt: skip


def _paused(found: Sequence[ScheduleInfo]) -> Iterator[Finding]:
    """Those that the failure of a job has paused."""
    by_failure = [one for one in found if one.failed_job_id]
    if by_failure:
        named = ", ".join(f"{one.name} by job {one.failed_job_id}" for one in by_failure[:_NAMED])
        yield Finding(
            "warn", "schedules", f"failures have paused {len(by_failure)}: {named}",
            f"flowforge explain {by_failure[0].failed_job_id} shows why; then flowforge schedules "
            f"resume {by_failure[0].name}",
        )  # fmt: skip


def _failed(engine: Engine, active: Sequence[ScheduleInfo]) -> Iterator[Finding]:
    """Those whose latest job has failed."""
    latest = {one.last_job_id: one for one in active if one.last_job_id}
    failed = [
        latest[job.job_id]
        for job in JobRows(engine.store).summaries(list(latest))
        if isinstance(job, JobSummary) and job.status is JobStatus.FAILED
    ]
    if failed:
        named = ", ".join(f"{one.name} ({one.last_job_id})" for one in failed[:_NAMED])
        yield Finding(
            "warn", "schedules", f"the latest job of {len(failed)} has failed: {named}",
            f"flowforge explain {failed[0].last_job_id} shows why",
        )  # fmt: skip


def _vanished(active: Sequence[ScheduleInfo]) -> Iterator[Finding]:
    gone = [one for one in active if one.vanished]
    if gone:
        named = ", ".join(one.name for one in gone[:_NAMED])
        yield Finding(
            "warn", "schedules", f"no worker has {len(gone)} in code any more: {named}",
            f"they go on; flowforge schedules remove {gone[0].name}, or add the module "
            f"{gone[0].module} to FLOWFORGE_IMPORTS",
        )  # fmt: skip


def _needs(
    engine: Engine, active: Sequence[ScheduleInfo], live: Sequence[WorkerReport]
) -> Iterator[Finding]:
    """Whether workers consume the queues and know the routines of their flows."""
    default = engine.app.conf.task_default_queue
    needed: dict[str, set[str]] = defaultdict(set)
    names = list(dict.fromkeys(one.definition for one in active))
    for name in names[:_DEFINITIONS]:
        definition = stored_definition(engine.store, name)
        for spec in () if definition is None else definition.routines:
            needed[spec.queue or default].add(spec.class_name)
    for queue in sorted(needed):
        yield from examine_queue(queue, needed[queue], live, "jobs of schedules")
