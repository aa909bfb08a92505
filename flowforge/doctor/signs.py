"""The doctor on how the work goes: failures, retries, handlers and jobs that do not go on."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence

from flowforge.common.counted import counted
from flowforge.common.duration import duration
from flowforge.doctor.findings import Finding, short
from flowforge.engine.engine import Engine
from flowforge.engine.explain.work import STUCK_SECONDS, is_stuck, stuck_command
from flowforge.engine.finding.flow_counts import flow_counts
from flowforge.engine.fleet.throughput import HOUR, throughput
from flowforge.engine.workers import Fleet
from flowforge.errors import FlowForgeError
from flowforge.model.jobs.status import JobStatus
from flowforge.model.slot import UNDO_SLOT
from flowforge.store.fleet_reads.leases import Leases
from flowforge.store.fleet_reads.usual_times import UsualTimes
from flowforge.store.fleet_reads.warning_signs import RecentEnds, WarningSigns
from flowforge.store.job_reads.job_rows import ActiveJob

#: Seconds that "lately" means, and after which a pause is long.
_LATELY = 3600
_LONG_PAUSE = 3600

#: Parts of the jobs that ended lately which have failed: a warning from the first on, a failure of
#: the examination from the second on if there are so many.
_SOME, _MOST, _MANY = 0.05, 0.5, 10

#: Invocations that wait for another attempt from which on it is called a storm.
_STORM = 100

#: Workers that an invocation has lost from which on it may be poison: one may be a restart.
_POISON = 2

#: Seconds by which the removal of expired jobs may be late.
_LATE = 300

_NAMED = 3


def examine_signs(engine: Engine, active: Sequence[ActiveJob]) -> Iterator[Finding]:
    """Findings on how the work goes. ``active``: jobs that have not ended."""
    signs, now = WarningSigns(engine.store), engine.overview.now()
    ends = signs.ended_since(now - _LATELY * 1000)
    yield _failures(engine, ends)
    yield from _failed_undoes(engine)
    yield from _poison(signs, ends)
    yield from _retry_storm(signs)
    yield from _stuck_handlers(engine, now)
    yield from _long_pauses(engine, active, now)
    yield from _long_stops(active, now)
    yield from _late(active)
    expired = signs.expired_jobs(now - _LATE * 1000)
    if expired:
        yield Finding(
            "warn", "retention",
            f"{counted(expired, 'ended job is', 'ended jobs are')} kept for longer than the "
            "retention",
            "the workers' upkeep removes them: start a worker, or look for 'upkeep failed' in the "
            "workers' logs",
        )  # fmt: skip


def _failed_undoes(engine: Engine) -> Iterator[Finding]:
    """Jobs whose undo has failed, as the counters of flows have them."""
    failed = {
        flow_id: counts[JobStatus.FAILED.value]
        for flow_id, counts in flow_counts([engine]).items()
        if flow_id.endswith(UNDO_SLOT) and counts.get(JobStatus.FAILED.value)
    }
    if failed:
        flow_id, count = max(failed.items(), key=lambda one: one[1])
        others = f", and of {counted(len(failed) - 1, 'more flow')}" if len(failed) > 1 else ""
        yield Finding(
            "warn", "undo", f"jobs of {flow_id!r} that failed to undo others: {count}{others}",
            f"flowforge jobs --status failed --flow {shlex.quote(flow_id)}",
        )  # fmt: skip


def _failures(engine: Engine, ends: RecentEnds) -> Finding:
    """How many of the jobs that ended lately have failed, and why most of them did."""
    completed, failed = _ended_lately(engine, ends)
    total = completed + failed
    the, about = ("", "about ") if ends.more_completed or ends.more_failed else ("the ", "")
    text = f"{about}{failed} of {the}{total} jobs that ended in the last hour failed"
    if not failed or failed < _SOME * total:
        return Finding("ok", "failures", text)
    top = ends.reasons.most_common(_NAMED)
    reasons = "; ".join(f"{count} x {short(reason, 100)}" for reason, count in top)
    grave = failed >= max(_MANY, _MOST * total)
    return Finding(
        "fail" if grave else "warn", "failures", f"{text}: {reasons}",
        "flowforge errors --since 1h lists the causes; flowforge errors GROUP has the command that "
        "retries the jobs of one, when it is mended; flowforge jobs --status failed lists the jobs",
    )  # fmt: skip


def _ended_lately(engine: Engine, ends: RecentEnds) -> tuple[int, int]:
    """Completed and failed jobs; of those that were not all looked at what the workers counted."""
    completed, failed = ends.completed, ends.failed
    if ends.more_completed or ends.more_failed:
        counted = [done for done in throughput([engine], HOUR).whole if done is not None]
        if ends.more_completed:
            completed = max(completed, sum(done.completed for done in counted))
        if ends.more_failed:
            failed = max(failed, sum(done.failed for done in counted))
    return completed, failed


def _poison(signs: WarningSigns, ends: RecentEnds) -> Iterator[Finding]:
    """Invocations with which workers were lost."""
    if ends.quarantined:
        continued = [one for one in ends.quarantined if one not in ends.undone]
        job_id, retried = (*continued, *ends.quarantined)[0], bool(continued)
        failed = counted(len(ends.quarantined), "job failed", "jobs failed")
        them = "it" if len(ends.quarantined) == 1 else "them"
        yield Finding(
            "warn", "poison",
            f"{failed} in the last hour because workers were lost with {them}: "
            f"{', '.join(ends.quarantined[:_NAMED])}",
            f"flowforge history {job_id} names the workers: look for a crash or an out-of-memory "
            f"kill, mend it, then flowforge {'retry' if retried else 'rerun'} {job_id}"
            f"{'' if retried else ': what it did is undone, so a retry is refused'}",
        )  # fmt: skip
    lost = sorted(signs.lost_workers(_POISON), key=lambda one: -one.workers)
    if lost:
        named = ", ".join(
            f"{one.job_id} invocation {one.invocation.partition('.')[0]} ({one.workers} workers)"
            for one in lost[:_NAMED]
        )
        yield Finding(
            "warn", "poison",
            f"{counted(len(lost), 'invocation has', 'invocations have')} lost several workers: "
            f"{named}",
            f"flowforge pause {lost[0].job_id} keeps it from the next worker; look for a crash or "
            "an out-of-memory kill",
        )  # fmt: skip


def _retry_storm(signs: WarningSigns) -> Iterator[Finding]:
    """The job with most of the invocations, or where many jobs have some, the flow."""
    jobs = signs.waiting_attempts()
    if jobs.total() < _STORM:
        return
    (job_id, count), *_ = jobs.most_common(1)
    whose, stops = f"job {job_id}", f"flowforge pause {job_id} stops its attempts"
    if 2 * count < jobs.total():
        flow_of = signs.flows_of(list(jobs))
        flows: Counter[str] = Counter()
        for one, flow_id in flow_of.items():
            flows[flow_id] += jobs[one]
        if flows:
            flow_id, count = flows.most_common(1)[0]
            job_id = next(one for one, its in flow_of.items() if its == flow_id)
            whose = f"flow {short(flow_id, 80)}"
            stops = (
                f"flowforge pause --all-matching --flow {shlex.quote(flow_id)} stops the attempts "
                "of its jobs"
            )
    yield Finding(
        "warn", "retries",
        f"at least {jobs.total()} invocations of {counted(len(jobs), 'job')} wait for another "
        "attempt, "
        f"{count} of them of {whose}",
        f"flowforge explain {job_id} shows the error; {stops}",
    )  # fmt: skip


def _stuck_handlers(engine: Engine, now: int) -> Iterator[Finding]:
    times, fleet = UsualTimes(engine.store), Fleet(engine.store)
    texts, fix = [], ""
    for attempt in Leases(engine.store).long_running():
        seconds = (now - (attempt.claimed or now)) / 1000
        if seconds <= STUCK_SECONDS:
            continue  # whatever is usual
        usual = times.seconds(attempt.job_id, attempt.invocation.routine)
        if usual is None or not is_stuck(seconds, usual):
            continue
        worker = fleet.by_mark(attempt.owner.mark)
        name = worker.name if worker else None
        texts.append(
            f"{_routine(engine, attempt.job_id, attempt.invocation.routine)} of job "
            f"{attempt.job_id} for {duration(seconds)}, usually {duration(usual)}"
        )
        fix = fix or stuck_command(attempt.job_id, name, attempt.owner.pid)
    if texts:
        named = "; ".join(texts[:_NAMED])
        many = counted(len(texts), "handler does", "handlers do")
        yield Finding("warn", "handlers", f"{many} not end: {named}", fix)


def _routine(engine: Engine, job_id: str, index: int) -> str:
    try:
        return engine.inspector.definition(job_id).routine(index).id
    except FlowForgeError:
        return "a handler"


def _long_pauses(engine: Engine, active: Sequence[ActiveJob], now: int) -> Iterator[Finding]:
    limit = now - _LONG_PAUSE * 1000
    found = [job.job_id for job in active if job.status == JobStatus.PAUSED and job.updated < limit]
    if found:
        named = ", ".join(f"{one} ({_reason(engine, one)})" for one in found[:_NAMED])
        yield Finding(
            "warn", "paused",
            f"{counted(len(found), 'job has', 'jobs have')} been paused for more than an hour: "
            f"{named}",
            f"flowforge resume {found[0]}",
        )  # fmt: skip


def _long_stops(active: Sequence[ActiveJob], now: int) -> Iterator[Finding]:
    limit = now - _LONG_PAUSE * 1000
    found = [job.job_id for job in active if job.counters["stopped"] and job.updated < limit]
    if found:
        named = ", ".join(found[:_NAMED])
        yield Finding(
            "warn", "breakpoints",
            f"{counted(len(found), 'job has', 'jobs have')} stopped at breakpoints and not changed "
            f"for more than an hour: {named}",
            f"flowforge break {found[0]} shows them, flowforge break {found[0]} --clear lets it go",
        )  # fmt: skip


def _late(active: Sequence[ActiveJob]) -> Iterator[Finding]:
    found = [job for job in active if job.late is not None]
    if found:
        named = ", ".join(f"{job.job_id} ({short(job.late or '', 60)})" for job in found[:_NAMED])
        yield Finding(
            "warn", "late", f"{counted(len(found), 'job is', 'jobs are')} late: {named}",
            f"flowforge explain {found[0].job_id} says what it waits for",
        )  # fmt: skip


def _reason(engine: Engine, job_id: str) -> str:
    try:
        return short(engine.inspector.reason(job_id) or "no reason was given", 60)
    except FlowForgeError as error:
        return short(str(error), 60)
