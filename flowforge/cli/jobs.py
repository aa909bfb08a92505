"""``flowforge jobs``: a list of jobs, the newest first."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import click
from rich.text import Text

from flowforge.cli.group import INTERRUPTED, CommandFailedError
from flowforge.cli.options.selection import query, selection_options
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.look_view import LookView
from flowforge.cli.terminal.render import (
    amounts,
    json_option,
    labels_shown,
    local_time,
    one_line,
    print_json,
    say,
    status_text,
)
from flowforge.cli.terminal.tables import print_table
from flowforge.engine.engine import Engine
from flowforge.engine.finding.find import PASSED_OVER, look, summaries
from flowforge.engine.finding.known_names import unknown_flow
from flowforge.errors import RecordError, StoreUnavailableError
from flowforge.settings import MOST
from flowforge.store.fleet_reads.finding import Query
from flowforge.store.fleet_reads.index_walk import Found
from flowforge.store.job_reads.job_rows import JobSummary

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
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    help="Stop looking after this long, and say how to go on.",
)
@click.option("--wide", is_flag=True, help="Print whole reasons, over several lines if need be.")
@json_option
@pass_session
def jobs(
    session: Session, /, limit: int, cursor: str | None, timeout: float | None, wide: bool,
    as_json: bool, **selection: Any,
) -> None:  # fmt: skip
    """List jobs, the newest first."""
    left_out = _LeftOut()
    wanted = query(cursor, **selection)
    found = _find(session.engines(), wanted, limit, timeout, left_out)
    listed = _summaries(found.page, left_out)
    # What the other servers have is worth showing.
    if listed or not (left_out.silent or (found.stopped and not as_json)):
        _list(listed, as_json, wide=wide, filtered=wanted != Query())
        if not listed and (unknown := unknown_flow(session.engines(), wanted.flow_id)):
            say(one_line(unknown, 500), err=True)
    for error in left_out.corrupt[:_TOLD]:
        say(f"left out: {one_line(str(error), 500)}", err=True)
    if len(left_out.corrupt) > _TOLD:
        say(f"left out: {len(left_out.corrupt) - _TOLD} more that cannot be read", err=True)
    if found.stopped:
        _tell_stop(found)
    elif found.cursor is not None and not as_json:
        more = "are" if found.looked_to is None else "may be"
        say(f"there {more} more: --cursor {found.cursor}", err=True)
    if left_out.silent:
        raise CommandFailedError("; ".join(str(error) for error in left_out.silent))
    if found.stopped:
        click.get_current_context().exit(INTERRUPTED if found.interrupted else 1)


class _Page(NamedTuple):
    """``cursor``: what the next page goes on from. ``looked_to``: how far the search has come.

    ``stopped``: it had not come to an end; ``interrupted``: by Ctrl-C.
    """

    page: list[tuple[Found, Engine]]
    cursor: str | None = None
    looked_to: Found | None = None
    stopped: bool = False
    interrupted: bool = False


def _find(
    engines: Sequence[Engine], wanted: Query, limit: int, timeout: float | None, left_out: _LeftOut
) -> _Page:
    """As many jobs as are asked for, however many have to be looked at."""
    deadline = None if timeout is None else time.monotonic() + timeout
    page: list[tuple[Found, Engine]] = []
    reached: Found | None = None
    passed_over = 0
    try:
        with LookView() as view:
            for seen, engine in look(engines, wanted, limit + 1, left_out.silent):
                if seen.fits and len(page) == limit:
                    return _Page(page, page[-1][0].cursor)
                if seen.fits:
                    page.append((seen.place, engine))
                if not seen.place.has_cursor:
                    continue
                reached, passed_over = seen.place, passed_over + seen.passed_over
                if len(page) == limit and passed_over >= PASSED_OVER:
                    return _Page(page, reached.cursor, reached)
                view.looked_to(reached.moment, len(page))
                if deadline is not None and time.monotonic() > deadline:
                    return _Page(page, reached.cursor, reached, stopped=True)
    except KeyboardInterrupt:
        cursor = wanted.after if reached is None else reached.cursor
        return _Page(page, cursor, reached, stopped=True, interrupted=True)
    return _Page(page)


def _tell_stop(found: _Page) -> None:
    if found.looked_to is None:
        say("stopped before any job was looked at", err=True)
    else:
        since = local_time(found.looked_to.moment)
        say(f"stopped: only jobs created since {since} were looked at", err=True)
        say(f"go on with --cursor {found.cursor}", err=True)


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
            one_line(job.reason or _start(job), 500 if wide else _REASON),
        ]
        for job in found
    ]
    if found:
        print_table(columns, rows)
    else:
        say("no such jobs" if filtered else "no jobs yet", err=True)


def _start(job: JobSummary) -> str:
    if job.held and job.single is not None:
        return f"waits for its turn: another job has the key {job.single}"
    if job.starts_at is not None:
        return f"starts at {local_time(job.starts_at, '%Y-%m-%d %H:%M:%S')}"
    return "waits for a limit of its flow" if job.held else ""


def _summaries(page: list[tuple[Found, Engine]], left_out: _LeftOut) -> list[JobSummary]:
    found: list[JobSummary] = []
    for engine in {engine for _, engine in page}:
        try:
            own = [one for one in page if one[1] is engine]
            found += summaries(own, left_out.corrupt)
        except StoreUnavailableError as error:
            left_out.silent.append(error)
    return sorted(found, key=lambda job: (job.created_at, job.job_id), reverse=True)


def _cursor(job: JobSummary) -> str:
    return Found(round(job.created_at.timestamp() * 1000), job.job_id).cursor
