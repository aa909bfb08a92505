"""``flowforge errors``: what fails, by its cause."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import datetime, timedelta

import click
from rich.text import Text

from flowforge.cli.group import CommandFailedError
from flowforge.cli.options.arguments import TIME_FORMS, time_or_ago
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import (
    json_option,
    local_time,
    one_line,
    print_json,
    say,
    status_text,
)
from flowforge.cli.terminal.tables import print_pairs, print_table
from flowforge.common.bounded_repr import shown
from flowforge.engine.finding.error_groups import error_groups, place_of
from flowforge.errors import FlowForgeError, StoreUnavailableError
from flowforge.model.jobs.error_group import ErrorGroup
from flowforge.model.jobs.status import JobStatus
from flowforge.settings import MOST
from flowforge.store.job_reads.job_rows import JobRows, JobSummary


@click.command("errors")
@click.argument("group", required=False)
@click.option("--flow", metavar="FLOW", help="Only errors of this flow.")
@click.option(
    "--since",
    metavar="TIME",
    callback=time_or_ago,
    help=f"Only what has failed since {TIME_FORMS}",
)
@click.option("--limit", type=click.IntRange(min=1, max=MOST), default=20, show_default=True)
@json_option
@pass_session
def errors(
    session: Session,
    group: str | None,
    flow: str | None,
    since: datetime | timedelta | None,
    limit: int,
    as_json: bool,
) -> None:
    """List what fails, by its cause, the most frequent first; or show one GROUP with its jobs.

    A group has the errors of one routine, of one class, raised by one function of your code. It is
    kept for 7 days after its latest error.
    """
    left_out: list[FlowForgeError] = []
    found = error_groups(session.engines(), flow, since, left_out=left_out)
    if group is not None:
        _show(session, _only([one for one in found if one.id.startswith(group)], group), as_json)
    else:
        _list(found[:limit], as_json)
        if len(found) > limit and not as_json:
            say(f"and {len(found) - limit} more: --limit shows them", err=True)
    silent = [str(error) for error in left_out if isinstance(error, StoreUnavailableError)]
    for error in left_out:
        if not isinstance(error, StoreUnavailableError):
            say(f"left out: {one_line(str(error), 500)}", err=True)
    if silent:
        raise CommandFailedError("; ".join(silent))


def _only(found: list[ErrorGroup], group: str) -> ErrorGroup:
    if not found:
        raise CommandFailedError(f"there is no group {shown(group)}; flowforge errors lists them")
    if len(found) > 1:
        raise CommandFailedError(
            f"{shown(group)} is how {len(found)} groups begin: give more of it"
        )
    return found[0]


def _list(found: list[ErrorGroup], as_json: bool) -> None:
    if as_json:
        print_json([vars(one) for one in found])
        return
    if not found:
        say("no errors", err=True)
        return
    print_table(
        ("GROUP", ">COUNT", "LAST", "<ROUTINE", "<ERROR"),
        [
            [
                one.id,
                str(one.count),
                local_time(one.last_at, "%m-%d %H:%M:%S"),
                place_of(one),
                one_line(f"{one.type}: {one.message}"),
            ]
            for one in found
        ],
    )


def _show(session: Session, group: ErrorGroup, as_json: bool) -> None:
    jobs = list(_jobs_of(session, group))
    if as_json:
        print_json({**vars(group), "jobs": [vars(job) for job in jobs]})
        return
    pairs: list[tuple[str, str | Text]] = [
        ("group", group.id),
        ("flow", group.flow_id),
        ("routine", group.routine_id or "-"),
        ("error", one_line(f"{group.type}: {group.message}", 600)),
        ("raised in", group.at or "-"),
        ("count", str(group.count)),
        ("first", local_time(group.first_at)),
        ("latest", local_time(group.last_at)),
    ]
    print_pairs(pairs)
    say()
    if not jobs:
        say("its jobs are gone")
        return
    rows: list[list[str | Text]] = [
        [
            job.job_id,
            status_text(job.status),
            local_time(job.created_at),
            one_line(job.reason or ""),
        ]
        for job in jobs
    ]
    print_table(("JOB", "STATUS", "CREATED", "<REASON"), rows)
    say(f"\nlook at one:     flowforge show {jobs[0].job_id}")
    failed = [job for job in jobs if job.status == JobStatus.FAILED]
    if failed:
        say(f"all that failed: flowforge jobs {shlex.join(_selection(group))}")
    retried = [job for job in failed if not job.is_undone]
    if retried:
        say(f"retry one:       flowforge retry {retried[0].job_id}")
        say(f"retry all:       flowforge retry --all-matching {shlex.join(_selection(group))}")


def _selection(group: ErrorGroup) -> list[str]:
    """The options with which ``jobs`` lists the failed jobs of a group."""
    return ["--flow", group.flow_id, "--error", group.id]


def _jobs_of(session: Session, group: ErrorGroup) -> Iterator[JobSummary]:
    """The latest jobs that are still there."""
    for job_id in group.job_ids:
        for job in JobRows(session.engine(job_id).store).summaries([job_id]):
            if isinstance(job, JobSummary):
                yield job
