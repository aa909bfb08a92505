"""``flowforge jobs``, ``show`` and ``history``: looking at jobs."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import islice
from typing import Any

import click
from rich.text import Text

from flowforge.cli.arguments import job_argument
from flowforge.cli.group import CommandFailedError
from flowforge.cli.render import (
    amounts,
    compact,
    duration,
    json_option,
    local_time,
    one_line,
    print_json,
    print_table,
    say,
    status_text,
)
from flowforge.cli.report import print_job
from flowforge.cli.session import Session, pass_session
from flowforge.cli.snapshot import job_snapshot
from flowforge.engine.engine import Engine
from flowforge.engine.job_state import JobState
from flowforge.errors import RecordError, StoreUnavailableError
from flowforge.model.status import JobStatus
from flowforge.store.history import HistoryEntry
from flowforge.store.job_rows import JobSummary
from flowforge.store.overview import Overview

#: Jobs that cannot be read, as far as they are named.
_TOLD = 10

#: Columns of the longest kind of a history's entry, ``error_continued``.
_KIND = 15

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


@click.command("show")
@job_argument
@json_option
@pass_session
def show(session: Session, job_id: str, as_json: bool) -> None:
    """Show one job: status, error, routines, pauses, outputs."""
    job = job_snapshot(session.engine(job_id), job_id)
    if as_json:
        print_json(job)
    else:
        print_job(job)


@click.command("history")
@job_argument
@click.option("--routine", metavar="ID", help="Only what concerns this routine.")
@click.option(
    "--limit", type=click.IntRange(min=0), default=100, show_default=True,
    help="Only the latest entries; 0 for all.",
)  # fmt: skip
@json_option
@pass_session
def history(session: Session, job_id: str, routine: str | None, limit: int, as_json: bool) -> None:
    """Show what happened to a job, in order."""
    engine = session.engine(job_id)
    entries = JobState(job_id, engine).get_execution_history(routine)[-limit:]
    if as_json:
        print_json([vars(entry) for entry in entries])
        return
    day = ""
    for entry in entries:
        if (today := local_time(entry.at, "%Y-%m-%d")) != day:
            say(day := today)
        say(entry_line(entry))


def entry_line(entry: HistoryEntry) -> str:
    """Time, kind, place and what else is known, in an order that lines up."""
    place = ""
    if entry.routine_id is not None:
        place = f"{entry.routine_id}.{entry.slot} #{entry.invocation}"
    at = local_time(entry.at, f"%H:%M:%S.{entry.at.microsecond // 1000:03d}")
    words = [at, f"{one_line(entry.kind):<{_KIND}}", f"{one_line(place):<24}"]
    return "  ".join([*words, *_details(entry.details)]).rstrip()


def _details(details: dict[str, Any]) -> Iterator[str]:
    details = dict(details)
    if isinstance(details.get("emitted"), dict):  # of an attempt
        yield f"attempt {details.pop('attempt')}"
        yield duration(details.pop("seconds"))
        yield one_line(f"on {details.pop('worker')}")
    for name, value in details.items():
        if name == "error" and isinstance(value, dict) and {"type", "message"} <= value.keys():
            yield one_line(f"{value['type']}: {value['message']}")
        elif value not in (None, "", {}):
            yield f"{one_line(str(name))} {compact(value)}"
