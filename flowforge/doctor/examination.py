"""The whole examination of one server, its workers and its work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import redis

from flowforge.doctor.answers import examine_answers
from flowforge.doctor.errors import examine_errors
from flowforge.doctor.findings import Finding
from flowforge.doctor.hooks import examine_hooks
from flowforge.doctor.limits import examine_limits
from flowforge.doctor.queues import examine_queues
from flowforge.doctor.schedules import examine_schedules
from flowforge.doctor.server import examine_server
from flowforge.doctor.work import examine_delays, examine_work
from flowforge.doctor.workers import (
    examine_needs,
    examine_reports,
    examine_workers,
    silenced,
)
from flowforge.engine.engine import Engine
from flowforge.errors import CommandRefusedError, FlowForgeError
from flowforge.model.jobs.status import ACTIVE
from flowforge.store.fleet_reads.worker_reports import WorkerReport, WorkerReports
from flowforge.store.job_reads.job_rows import ActiveJob, UnreadableRow
from flowforge.store.key_types import wrong_types, wrong_types_of

#: Active jobs of each status that are looked at one by one, the newest ones.
SAMPLE = 500


def examine(engine: Engine) -> Iterator[Finding]:
    """All findings on one server, good and bad."""
    try:
        yield from examine_server(engine)
        yield from _examine_keys(engine)
        yield from _examine_jobs(engine)
    except (FlowForgeError, redis.RedisError) as error:
        # Its text says what to do.
        yield Finding("fail", "server", str(error))


def _examine_keys(engine: Engine) -> Iterator[Finding]:
    """Keys in place of which something else lies: what reads them is refused, here too."""
    for wrong in wrong_types(engine.link, engine.store.keys):
        yield Finding("fail", "keys", wrong.text, wrong.fix)


def _examine_keys_of_jobs(
    engine: Engine, active: Sequence[ActiveJob | UnreadableRow]
) -> Iterator[Finding]:
    """The same of the keys of jobs that have not ended: such a job cannot go on."""
    named = [one.job_id if isinstance(one, ActiveJob) else one.key for one in active]
    for wrong in wrong_types_of(engine.link, engine.store.keys, named):
        yield Finding("fail", "keys", wrong.text, wrong.fix)


def _examine_errors(engine: Engine) -> Iterator[Finding]:
    yield examine_errors(engine)


def _apart(part: Iterator[Finding]) -> Iterator[Finding]:
    """A part of which the server refuses a command keeps none of the others from their turn."""
    try:
        yield from part
    except CommandRefusedError as error:
        yield Finding("fail", "server", str(error))


def _examine_jobs(engine: Engine) -> Iterator[Finding]:
    counts = engine.overview.counts()
    live: list[WorkerReport] = []
    if engine.idle:
        where = engine.settings.data_dir
        yield Finding("ok", "workers", f"jobs in {where} go on when a program runs with it")
    else:
        workers, unreadable = WorkerReports(engine.store).read()
        live = [worker for worker in workers if worker.live]
        yield from examine_reports(unreadable)
        no_reports = silenced(engine, workers)
        if no_reports is not None:
            # Those who happen to have reported last are not all that are there.
            live = []
            yield no_reports
        else:
            yield from examine_workers(engine, workers, sum(counts[status] for status in ACTIVE))
    active = list(engine.overview.active(SAMPLE))
    if not engine.idle:
        yield from _apart(examine_needs(engine, live, active))
        yield from _apart(examine_delays(engine))
    yield from _apart(_examine_keys_of_jobs(engine, active))
    yield from _apart(examine_work(engine, live, counts, active))
    yield from _apart(examine_answers(engine))
    yield from _apart(examine_limits(engine))
    yield from _apart(examine_queues(engine))
    yield from _apart(examine_schedules(engine, live))
    yield from _apart(_examine_errors(engine))
    yield from _apart(examine_hooks(engine))
