"""The doctor on the workers: who is there, and whether they can do what the jobs need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from flowforge.common.counted import counted
from flowforge.doctor.findings import Finding
from flowforge.engine.engine import Engine
from flowforge.engine.explain.job_findings import unreported
from flowforge.engine.workers import all_import
from flowforge.errors import RecordError
from flowforge.model import registry
from flowforge.store.fleet_reads.worker_reports import FORGOTTEN, WorkerReport
from flowforge.store.job_reads.job_rows import ActiveJob, UnreadableRow
from flowforge.worker.upkeep.upkeep import FOLLOW, LEAD


def examine_reports(unreadable: Sequence[RecordError]) -> Iterator[Finding]:
    """Reports of workers that cannot be read here."""
    for error in unreadable:
        fix = "run the same FlowForge here as in the workers"
        yield Finding("warn", "worker", str(error), fix)


def silenced(engine: Engine, workers: Sequence[WorkerReport]) -> Finding | None:
    """That some workers or all of them are silent because the server takes no reports."""
    if workers and all(worker.live for worker in workers):
        return None
    outage = engine.outage()
    return outage and Finding("warn", "workers", unreported(outage), outage.remedy)


def examine_workers(
    engine: Engine, workers: Sequence[WorkerReport], active: int
) -> Iterator[Finding]:
    """Who is there and who went away; ``active``: jobs that have not ended."""
    for worker in workers:
        yield from _worker(worker)
    yield from _versions([worker for worker in workers if worker.live])
    if not any(worker.live for worker in workers):
        yield Finding(
            "fail" if active else "warn",
            "workers",
            f"no worker is there, {counted(active, 'job has', 'jobs have')} not ended",
            "start one: flowforge worker",
        )
        return
    if engine.overview.has_leader():
        yield Finding("ok", "upkeep", "a worker does the upkeep")
    else:
        yield Finding(
            "warn", "upkeep", "no worker does the upkeep: timers and lost work wait",
            f"ask again in {LEAD + FOLLOW:.0f} s; then look for 'upkeep failed' in the workers' "
            "logs",
        )  # fmt: skip


def _worker(worker: WorkerReport) -> Iterator[Finding]:
    if worker.age > FORGOTTEN:
        return
    if not worker.live:
        yield Finding(
            "warn", "worker", f"{worker.name} has been silent for {worker.age} s",
            f"it was killed, hangs or cannot reach the server: look at process {worker.pid} and "
            "its log",
        )  # fmt: skip
        return
    queues = ", ".join(sorted(worker.queues))
    text = (
        f"{worker.name}: {worker.pool} {worker.concurrency}, queues {queues}, "
        f"{counted(len(worker.routines), 'routine class', 'routine classes')}"
    )
    if worker.hanging:
        handlers = counted(
            len(worker.hanging), "handler whose attempt was ended still occupies a place",
            "handlers whose attempts were ended still occupy places",
        )  # fmt: skip
        fix = (
            f"look at process {worker.pid} (py-spy dump) and restart it; give what the handlers "
            "wait for a timeout of its own, or run them on prefork"
        )
        yield Finding("warn", "worker", f"{worker.name}: {handlers} ({worker.hanging[0]})", fix)
    if worker.shared:
        yield Finding(
            "warn", "worker",
            f"several workers have the name {worker.name}, so only the one that reported last is "
            "shown, and Celery's inspect and control take them for one",
            "give each its own name: flowforge worker -n worker1@%h",
        )  # fmt: skip
    if worker.routines:
        yield Finding("ok", "worker", text)
    else:
        fix = "name the modules of its routines in FLOWFORGE_IMPORTS, and start it again"
        yield Finding("warn", "worker", f"{text}: it can run no step", fix)


def _versions(live: Sequence[WorkerReport]) -> Iterator[Finding]:
    """Workers of different releases; reports of releases before this one do not say theirs."""
    found: dict[str, str] = {}
    for worker in live:
        if worker.version:
            found.setdefault(worker.version, worker.name)
    if len(found) > 1:
        named = ", ".join(f"{version} ({name})" for version, name in sorted(found.items()))
        fix = "install the same FlowForge for all workers, and start them again one by one"
        yield Finding("warn", "releases", f"workers have different releases: {named}", fix)


def examine_needs(
    engine: Engine, live: Sequence[WorkerReport], active: Sequence[ActiveJob | UnreadableRow]
) -> Iterator[Finding]:
    """Whether somebody consumes the queues and knows the routines of the jobs that go on."""
    definitions, lost = _active_definitions(engine, active)
    for job_id, error in lost:
        fix = f"flowforge cancel {job_id}, and submit it again"
        yield Finding("fail", "definition", f"job {job_id} cannot go on: {error}", fix)
    default = engine.app.conf.task_default_queue
    needed: dict[str, set[str]] = defaultdict(set)
    for job_id in definitions:
        for spec in engine.inspector.definition(job_id).routines:
            needed[spec.queue or default].add(spec.class_name)
    problems = [
        finding
        for queue in sorted(needed)
        for finding in examine_queue(queue, needed[queue], live, "active jobs")
    ]
    yield from problems
    if needed and not problems and live:
        count = sum(len(classes) for classes in needed.values())
        what = counted(count, "class that active jobs need is", "classes that active jobs need are")
        yield Finding("ok", "routines", f"{what} known to workers")


def examine_queue(
    queue: str, classes: set[str], live: Sequence[WorkerReport], whose: str
) -> Iterator[Finding]:
    """Whether workers consume a queue and know the classes. ``whose``: what needs them."""
    consumers = [worker for worker in live if queue in worker.queues]
    if live and not consumers:
        fix = f"start one with -Q {queue}: flowforge worker -Q {queue}"
        yield Finding("fail", "queue", f"{whose} need {queue!r}, no worker consumes it", fix)
        return
    for name in sorted(classes) if consumers else ():
        ignorant = [worker for worker in consumers if name not in worker.routines]
        if ignorant:
            fix = registry.remedy(name, f"the workers that consume {queue!r}", all_import(ignorant))
            names = [worker.name for worker in ignorant]
            what = f"{name}, which {whose} need"
            yield _unknown(queue, what, names, fix, everyone=len(ignorant) == len(consumers))


def _unknown(queue: str, what: str, ignorant: list[str], fix: str, *, everyone: bool) -> Finding:
    who = f"no worker on {queue!r}" if everyone else f"not every worker on {queue!r}"
    lacking = "" if everyone else f" (not {', '.join(ignorant[:3])})"
    return Finding(
        "fail" if everyone else "warn",
        "routine",
        f"{who} knows {what}{lacking}",
        fix,
    )


def _active_definitions(
    engine: Engine, active: Sequence[ActiveJob | UnreadableRow]
) -> tuple[list[str], list[tuple[str, RecordError]]]:
    """One job for each definition in use, and jobs whose definition cannot be read."""
    readable, lost = [], []
    # Rows that cannot be read are told where the work is examined.
    jobs = [job for job in active if isinstance(job, ActiveJob) and job.definition]
    for job_id in {job.definition: job.job_id for job in jobs}.values():
        try:
            engine.inspector.definition(job_id)
        except RecordError as error:
            lost.append((job_id, error))
        else:
            readable.append(job_id)
    return readable, lost
