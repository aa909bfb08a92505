"""``flowforge jobs``: a list of jobs, the newest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
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

#: Jobs that cannot be read, as far as they are named.
_TOLD = 10

#: Characters of a reason, unless all of it is asked for.
_REASON = 100


@dataclass
class _LeftOut:
    """What a list lacks: jobs of servers that do not answer, and jobs that cannot be read."""

    silent: list[StoreUnavailableError] = field(default_factory=list)
    corrupt: list[RecordError] = field(default_factory=list)


@click.command("jobs")
@click.option(
    "--status",
    type=click.Choice([one.value for one in JobStatus]),
    help="Only jobs of this status.",
)
@click.option("--flow", metavar="FLOW", help="Only jobs of this flow.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--wide", is_flag=True, help="Print whole reasons, over several lines if need be.")
@json_option
@pass_session
def jobs(
    session: Session, status: str | None, flow: str | None, limit: int, wide: bool, as_json: bool
) -> None:
    """List jobs, the newest first."""
    left_out = _LeftOut()
    newest_first = merge(
        *(_jobs_of(engine, status, flow, limit, left_out) for engine in session.engines()),
        key=lambda job: job.created_at,
        reverse=True,
    )
    found = list(islice(newest_first, limit))
    # What the other servers have is worth showing.
    if found or not left_out.silent:
        _list(found, as_json, wide=wide, filtered=bool(status or flow))
    for error in left_out.corrupt[:_TOLD]:
        say(f"left out: {one_line(str(error), 500)}", err=True)
    if len(left_out.corrupt) > _TOLD:
        say(f"left out: {len(left_out.corrupt) - _TOLD} more that cannot be read", err=True)
    if left_out.silent:
        raise CommandFailedError("; ".join(str(error) for error in left_out.silent))


def _list(found: list[JobSummary], as_json: bool, *, wide: bool, filtered: bool) -> None:
    if as_json:
        print_json([vars(job) for job in found])
        return
    narrow = "~" if wide else "<"
    columns = ("JOB", "STATUS", f"{narrow}FLOW", "CREATED", f"{narrow}WORK", f"{narrow}REASON")
    rows: list[list[str | Text]] = [
        [
            job.job_id,
            status_text(job.status),
            job.flow_id,
            local_time(job.created_at, "%m-%d %H:%M:%S"),
            amounts(job.counts),
            one_line(job.reason or "", 500 if wide else _REASON),
        ]
        for job in found
    ]
    if found:
        print_table(columns, rows)
    else:
        say("no such jobs" if filtered else "no jobs yet", err=True)


def _jobs_of(
    engine: Engine, status: str | None, flow: str | None, limit: int, left_out: _LeftOut
) -> Iterator[JobSummary]:
    """Jobs of one server that can be read, the newest first."""
    try:
        for job in engine.overview.jobs(status, flow, limit):
            if isinstance(job, RecordError):
                left_out.corrupt.append(job)
            else:
                yield job
    except StoreUnavailableError as error:
        left_out.silent.append(error)
