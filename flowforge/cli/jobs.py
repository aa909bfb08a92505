"""``flowforge jobs``: a list of jobs, the newest first."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import islice

import click
from rich.text import Text

from flowforge.cli.group import CommandFailedError
from flowforge.cli.render import (
    amounts,
    json_option,
    local_time,
    one_line,
    print_json,
    say,
    status_text,
)
from flowforge.cli.session import Session, pass_session
from flowforge.cli.tables import print_table
from flowforge.engine.engine import Engine
from flowforge.errors import RecordError, StoreUnavailableError
from flowforge.model.status import JobStatus
from flowforge.store.job_rows import JobSummary
from flowforge.store.overview import Overview

#: Jobs that cannot be read, as far as they are named.
_TOLD = 10

#: Jobs that one look fetches when most of them may be filtered out.
_PAGE = 200


@click.command("jobs")
@click.option(
    "--status",
    type=click.Choice([one.value for one in JobStatus]),
    help="Only jobs of this status.",
)
@click.option("--flow", metavar="FLOW", help="Only jobs of this flow.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@json_option
@pass_session
def jobs(session: Session, status: str | None, flow: str | None, limit: int, as_json: bool) -> None:
    """List jobs, the newest first."""
    silent: list[StoreUnavailableError] = []
    corrupt: list[RecordError] = []
    newest_first = merge(
        *(_jobs_of(engine, status, flow, limit, silent, corrupt) for engine in session.engines()),
        key=lambda job: job.created_at,
        reverse=True,
    )
    found = list(islice(newest_first, limit))
    # What the other servers have is worth showing.
    if found or not silent:
        _list(found, as_json, filtered=bool(status or flow))
    for error in corrupt[:_TOLD]:
        say(f"left out: {one_line(str(error), 500)}", err=True)
    if len(corrupt) > _TOLD:
        say(f"left out: {len(corrupt) - _TOLD} more that cannot be read", err=True)
    if silent:
        raise CommandFailedError("; ".join(str(error) for error in silent))


def _list(found: list[JobSummary], as_json: bool, *, filtered: bool) -> None:
    if as_json:
        print_json([vars(job) for job in found])
        return
    columns = ("JOB", "STATUS", "~FLOW", "CREATED", "~WORK", "~REASON")
    rows: list[list[str | Text]] = [
        [
            job.job_id,
            status_text(job.status),
            job.flow_id,
            local_time(job.created_at, "%m-%d %H:%M:%S"),
            amounts(job.counts),
            one_line(job.reason or "", 60),
        ]
        for job in found
    ]
    if found:
        print_table(columns, rows)
    else:
        say("no such jobs" if filtered else "no jobs yet", err=True)


def _jobs_of(
    engine: Engine,
    status: str | None,
    flow: str | None,
    limit: int,
    silent: list[StoreUnavailableError],
    corrupt: list[RecordError],
) -> Iterator[JobSummary]:
    """Jobs of one server, the newest first; none of one that does not answer, which is told."""
    try:
        yield from _jobs(engine.overview, status, flow, limit, corrupt)
    except StoreUnavailableError as error:
        silent.append(error)


def _jobs(
    overview: Overview,
    status: str | None,
    flow: str | None,
    limit: int,
    corrupt: list[RecordError],
) -> Iterator[JobSummary]:
    seen: set[str] = set()
    most = limit if flow is None else max(limit, _PAGE)
    while True:
        ids = [job_id for job_id, _ in overview.newest(status, most)]
        fresh = [job_id for job_id in ids if job_id not in seen]
        for job in overview.summaries(fresh):
            if isinstance(job, RecordError):
                corrupt.append(job)
            elif flow is None or job.flow_id == flow:
                yield job
        seen.update(fresh)
        if len(ids) < most or not fresh:
            return
        most *= 2
