"""``flowforge jobs``: a list of jobs, the newest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from typing import Any

import click
from rich.text import Text

from flowforge.cli.group import CommandFailedError
from flowforge.cli.render import (
    amounts,
    json_option,
    labels_shown,
    local_time,
    one_line,
    print_json,
    say,
    status_text,
)
from flowforge.cli.selection import query, selection_options
from flowforge.cli.session import Session, pass_session
from flowforge.cli.tables import print_table
from flowforge.engine.engine import Engine
from flowforge.errors import RecordError, StoreUnavailableError
from flowforge.settings import MOST
from flowforge.store.finding import Found, Query
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
@selection_options
@click.option("--limit", type=click.IntRange(min=1, max=MOST), default=20, show_default=True)
@click.option(
    "--cursor", metavar="CURSOR", help="Go on behind this job, as a list or its JSON says."
)
@click.option("--wide", is_flag=True, help="Print whole reasons, over several lines if need be.")
@json_option
@pass_session
def jobs(
    session: Session, /, limit: int, cursor: str | None, wide: bool, as_json: bool, **selection: Any
) -> None:
    """List jobs, the newest first."""
    left_out = _LeftOut()
    wanted = query(cursor, **selection)
    newest_first = merge(
        *(_jobs_of(engine, wanted, limit + 1, left_out) for engine in session.engines()),
        key=lambda job: (job.created_at, job.job_id),
        reverse=True,
    )
    found = list(islice(newest_first, limit))
    more = next(newest_first, None) is not None
    # What the other servers have is worth showing.
    if found or not left_out.silent:
        _list(found, as_json, wide=wide, filtered=wanted != Query())
    if more and not as_json:
        say(f"there are more: --cursor {_cursor(found[-1])}", err=True)
    for error in left_out.corrupt[:_TOLD]:
        say(f"left out: {one_line(str(error), 500)}", err=True)
    if len(left_out.corrupt) > _TOLD:
        say(f"left out: {len(left_out.corrupt) - _TOLD} more that cannot be read", err=True)
    if left_out.silent:
        raise CommandFailedError("; ".join(str(error) for error in left_out.silent))


def _list(found: list[JobSummary], as_json: bool, *, wide: bool, filtered: bool) -> None:
    if as_json:
        print_json([{**vars(job), "cursor": _cursor(job)} for job in found])
        return
    narrow = "~" if wide else "<"
    columns = ["JOB", "STATUS", f"{narrow}FLOW", "CREATED", f"{narrow}WORK", f"{narrow}REASON"]
    labelled = any(job.labels for job in found)
    if labelled:
        columns.insert(3, f"{narrow}LABELS")
    rows: list[list[str | Text]] = [
        [
            job.job_id,
            status_text(job.status),
            job.flow_id,
            *([labels_shown(job.labels)] if labelled else []),
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


def _jobs_of(engine: Engine, wanted: Query, limit: int, left_out: _LeftOut) -> Iterator[JobSummary]:
    """Jobs of one server that can be read, the newest first."""
    try:
        for job in engine.finder.jobs(wanted, limit):
            if isinstance(job, RecordError):
                left_out.corrupt.append(job)
            else:
                yield job
    except StoreUnavailableError as error:
        left_out.silent.append(error)


def _cursor(job: JobSummary) -> str:
    return Found(round(job.created_at.timestamp() * 1000), job.job_id).cursor
