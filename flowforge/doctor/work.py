"""The doctor on the work: what is stuck, overdue, refused, and how many jobs there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowforge.broker.routing import Router
from flowforge.common.counted import counted
from flowforge.doctor.findings import Finding
from flowforge.doctor.keys import examine_keys
from flowforge.doctor.signs import examine_signs
from flowforge.engine.engine import Engine
from flowforge.engine.explain.blocking_parents import blocking_parent
from flowforge.model.jobs.status import JobStatus
from flowforge.store.fleet_reads.broker_lists import BrokerList, BrokerLists
from flowforge.store.fleet_reads.dead_letters import DeadLetters
from flowforge.store.fleet_reads.overview import Delays
from flowforge.store.fleet_reads.worker_reports import WorkerReport
from flowforge.store.job_reads.job_rows import ActiveJob, UnreadableRow
from flowforge.worker.upkeep.upkeep import FOLLOW, LEAD

#: Seconds that upkeep may rest when its leader dies, with a margin: until then nothing is late.
_REST = LEAD + 2 * FOLLOW

#: What can be done about a job that cannot be read.
_UNREADABLE = "it is damaged or was forged: look at it with redis-cli HGETALL, or remove it: UNLINK"

#: Jobs that a finding names.
_NAMED = 3


def examine_work(
    engine: Engine,
    live: Sequence[WorkerReport],
    counts: dict[str, int],
    found: Sequence[ActiveJob | UnreadableRow],
) -> Iterator[Finding]:
    """Findings on jobs, their leases, timers and messages. ``found``: jobs that have not ended."""
    yield Finding("ok", "jobs", _amounts(counts))
    for row in found:
        if isinstance(row, UnreadableRow):
            yield Finding("warn", "row", str(row.error), f"{_UNREADABLE} {row.key}")
    active = [job for job in found if isinstance(job, ActiveJob)]
    yield from _miscounted_jobs(active)
    yield from _stuck_jobs(engine, active)
    yield from examine_signs(engine, active)
    yield from examine_keys(engine, active)
    yield from _messages(engine, live)
    yield _dead_letters(engine)
    yield _damaged(engine)


def _miscounted_jobs(jobs: Sequence[ActiveJob]) -> Iterator[Finding]:
    """Jobs that count less than nothing; such a job never ends."""
    wrong = {
        job.job_id: ", ".join(f"{name} {count}" for name, count in below.items())
        for job in jobs
        if (below := {name: count for name, count in job.counters.items() if count < 0})
    }
    if wrong:
        named = ", ".join(f"{job_id} ({below})" for job_id, below in list(wrong.items())[:_NAMED])
        yield Finding(
            "fail", "counters",
            f"{counted(len(wrong), 'job has', 'jobs have')} counters below zero: {named}",
            f"flowforge cancel {next(iter(wrong))} and submit it again; report it: FlowForge "
            "has miscounted, or something else writes into its keys",
        )  # fmt: skip


def _stuck_jobs(engine: Engine, jobs: Sequence[ActiveJob]) -> Iterator[Finding]:
    """Jobs that nothing will move on, and those that wait for a job above them."""
    stuck, parked = idle_jobs(engine, jobs)
    if parked:
        names = ", ".join(list(parked)[:_NAMED])
        yield Finding(
            "warn", "parked",
            f"{counted(len(parked), 'child job waits', 'child jobs wait')} for a paused or failed "
            f"parent: {names}",
            next(iter(parked.values())),
        )  # fmt: skip
    if stuck:
        names = ", ".join(stuck[:_NAMED])
        yield Finding(
            "fail", "stuck",
            f"{counted(len(stuck), 'job has', 'jobs have')} nothing queued, running or timed: "
            f"{names}",
            f"flowforge pause {stuck[0]} and resume it; if that does not help, cancel it",
        )  # fmt: skip


#: Counters of what moves on, or waits for a person.
_MOVING = ("queued", "running", "timers", "stopped", "expected", "at_limits")


def idle_jobs(engine: Engine, jobs: Sequence[ActiveJob]) -> tuple[list[str], dict[str, str]]:
    """Jobs that should go on and have had nothing to do for longer than upkeep may rest: those that
    nothing will move on, and those that wait for a paused or failed parent, with the command that
    lets both go on.
    """
    limit = engine.overview.now() - int(_REST * 1000)
    idle = {
        job.job_id: job
        for job in jobs
        if job.status != JobStatus.PAUSED
        and not job.held
        and job.updated < limit
        and not any(job.counters[name] for name in _MOVING)
    }
    # What waits for jobs that its handlers have started has nothing of its own to do.
    stuck, parked = [], {}
    for job_id in engine.overview.without_children(list(idle)):
        parent = blocking_parent(engine.inspector, idle[job_id].parent_job_id)
        if parent and parent.command:
            parked[job_id] = parent.command
        else:
            stuck.append(job_id)
    return stuck, parked


def examine_delays(engine: Engine) -> Iterator[Finding]:
    """Leases and timers that the upkeep should have dealt with."""
    limit = engine.overview.now() - int((engine.settings.upkeep_interval + _REST) * 1000)
    leases, timers = engine.overview.leases(limit), engine.overview.timers(limit)
    one, several = "claim of a worker that died has", "claims of workers that died have"
    back = counted(leases.overdue, one, several)
    yield _delays("leases", leases, f"{back} not been taken back")
    late = counted(timers.overdue, "retry, delay or timeout is", "retries, delays and timeouts are")
    yield _delays("timers", timers, f"{late} overdue")


def _delays(check: str, found: Delays, what: str) -> Finding:
    if not found.overdue:
        return Finding("ok", check, f"{found.total}, none overdue")
    fix = (
        "the workers' upkeep does that: start a worker, or look for 'upkeep failed' in the "
        "workers' logs"
    )
    return Finding("fail", check, what, fix)


def _messages(engine: Engine, live: Sequence[WorkerReport]) -> Iterator[Finding]:
    """Per broker list: what waits in it, and what was popped and has not been claimed."""
    for found in BrokerLists(engine.store).all():
        label = _label(engine, found.name)
        if found.refusal is not None:
            fix = (
                f"something else may have the queue's key {found.name!r}: remove it with redis-cli"
            )
            yield Finding("fail", "messages", f"{label}: {found.refusal}", fix)
        elif found.unclaimed or found.length:
            yield _message_list(label, found, live)


def _message_list(label: str, found: BrokerList, live: Sequence[WorkerReport]) -> Finding:
    waiting = counted(found.length, "message waits", "messages wait")
    text = f"{label}: {waiting}, {found.popped} popped and not claimed"
    held = sum(worker.concurrency + worker.prefetch for worker in live)
    if found.popped > held:
        fix = "a worker that does the upkeep pushes them again within seconds"
        return Finding("warn", "messages", text, fix)
    return Finding("ok", "messages", text)


def _label(engine: Engine, name: str) -> str:
    """The queue and the priority of a broker list, as users know them."""
    queue, priority = Router(engine.app).queue_of(name)
    return f"{queue} (priority {priority})" if priority else queue


def _dead_letters(engine: Engine) -> Finding:
    count = DeadLetters(engine.store).count()
    if not count:
        return Finding("ok", "dead-letters", "none")
    fix = "flowforge dead-letters shows why; --requeue N or --drop N|all settles them"
    text = f"{counted(count, 'message was', 'messages were')} refused by workers"
    return Finding("warn", "dead-letters", text, fix)


def _damaged(engine: Engine) -> Finding:
    """Members of the indexes that the upkeep could make nothing of."""
    texts = engine.overview.damaged()
    if not texts:
        return Finding("ok", "damaged", "none")
    shown = "; ".join(sorted(texts)[:_NAMED])
    fix = (
        "another program writes to these keys, or they were mended by hand: cancel the jobs that "
        "are named, and submit them again"
    )
    many = counted(len(texts), "damaged member was", "damaged members were")
    return Finding("warn", "damaged", f"{many} passed over: {shown}", fix)


def _amounts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"
