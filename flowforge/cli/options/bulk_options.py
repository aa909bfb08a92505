"""``--all-matching``: a command about all jobs that fit, after a preview that is confirmed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import click

from flowforge.cli.bulk_view import carry_out, print_info
from flowforge.cli.group import CommandFailedError
from flowforge.cli.options.selection import query, selection_options
from flowforge.cli.session import Session
from flowforge.cli.terminal.look_view import LookView
from flowforge.cli.terminal.render import local_time, one_line, print_json, say, status_text
from flowforge.cli.terminal.tables import print_table
from flowforge.common.counted import counted
from flowforge.engine.bulk.bulk import Bulk, new_bulk, preview
from flowforge.engine.bulk.selection import Matching
from flowforge.engine.bulk.start import start_bulk
from flowforge.engine.engine import Engine
from flowforge.engine.finding.audit import tell as keep
from flowforge.engine.finding.find import JobSearch
from flowforge.model.jobs.audit import AuditRecord, AuditVia
from flowforge.model.jobs.bulk import TAKEN, BulkAction, BulkPreview
from flowforge.settings import MOST
from flowforge.store.fleet_reads.finding import Query
from flowforge.store.job_reads.job_rows import JobRows, JobSummary

F = TypeVar("F", bound=Callable[..., Any])

#: What becomes of a job.
_DONE = {
    BulkAction.RETRY: "retried",
    BulkAction.CANCEL: "cancelled",
    BulkAction.PAUSE: "paused",
    BulkAction.RESUME: "resumed",
    BulkAction.LABEL: "labelled",
    BulkAction.DELETE: "deleted",
}

#: Options that say how, and not which jobs.
_HOW = ("all_matching", "limit", "rate", "yes", "no_wait")

_OPTIONS = (
    click.option(
        "--all-matching", is_flag=True,
        help="All jobs that fit the options below; without any of these, every job.",
    ),
    click.option(
        "--limit", type=click.IntRange(min=1, max=MOST), help="Only the newest so many of them."
    ),
    click.option(
        "--rate", type=click.FloatRange(min=0, min_open=True), metavar="N", help="Jobs a second."
    ),
    click.option("--yes", is_flag=True, help="Do not ask."),
    click.option("--no-wait", is_flag=True, help="Leave the work to the workers' upkeep."),
)  # fmt: skip


def bulk_options(command: F) -> F:
    """Add ``--all-matching`` and its options to a command, which gives them to ``bulk_wanted``."""
    command = selection_options(command)
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def bulk_wanted(job_ids: Sequence[str], options: Mapping[str, Any]) -> bool:
    """Whether the command is about all jobs that fit; UsageError unless it is clear which."""
    if options["all_matching"]:
        if job_ids:
            raise click.UsageError("give either JOB... or --all-matching")
        return True
    if any(options[name] for name in options):
        raise click.UsageError("options that choose jobs, --rate and --yes need --all-matching")
    if not job_ids:
        raise click.UsageError("give JOB..., or --all-matching with options that choose the jobs")
    return False


def act_on_all(
    session: Session,
    action: BulkAction,
    options: Mapping[str, Any],
    as_json: bool,
    *,
    by: str | None,
    reason: str = "",
    labels: Mapping[str, str] | None = None,
    undo: bool = False,
) -> None:
    """Show which jobs these are, ask, and do it."""
    chosen = {name: value for name, value in options.items() if name not in _HOW}
    wanted, engines = query(**chosen), session.engines()
    selection = Matching(engines, JobSearch(wanted, options["limit"]))
    with LookView() as view:
        found = preview(selection, exact=True, told=view.counted)
    if not options["yes"] or not found.count:
        everything = wanted == Query() and options["limit"] is None
        _show(engines, action, found, everything, as_json)
        if not found.count:
            return
        _confirm(action, found, as_json)
    new = new_bulk(action, selection, reason, options["rate"], by, labels, undo=undo)
    bulk = Bulk(start_bulk(engines, *new), engines)
    told = f"Bulk operation {bulk.bulk_id}: {new[1].selection}"
    keep(
        engines[0],
        AuditRecord(new[1].by, AuditVia.COMMAND_LINE, f"{action} many", reason=reason, what=told),
    )
    if options["no_wait"]:
        say(
            f"bulk operation {bulk.bulk_id} has begun: look with `bulk show {bulk.bulk_id}`",
            err=True,
        )
    else:
        carry_out(bulk, engines, as_json)
    print_info(bulk.info, as_json)


def _show(
    engines: Sequence[Engine], action: BulkAction, found: BulkPreview, everything: bool,
    as_json: bool,
) -> None:  # fmt: skip
    if as_json:
        print_json({"action": action.value, **asdict(found), "taken": found.taken(action)})
        return
    if everything:
        where = "the server" if len(engines) == 1 else f"all {len(engines)} servers"
        say(f"no option chooses jobs: this means EVERY job on {where}")
    if not found.count:
        say("no such jobs", err=True)
        return
    say(f"jobs that fit ({found.selection}): {found.count}")
    say(f"to be {_DONE[action]}: {_amounts(action, found, taken=True) or 'none'}")
    refused = _amounts(action, found, taken=False)
    if refused:
        say(f"will be refused: {refused}")
    print_table(
        ("JOB", "STATUS", "<FLOW", "CREATED", "<REASON"),
        [
            [
                job.job_id, status_text(job.status), job.flow_id,
                local_time(job.created_at, "%m-%d %H:%M:%S"), one_line(job.reason or ""),
            ]
            for engine in engines
            for job in JobRows(engine.store).summaries(found.job_ids)
            if isinstance(job, JobSummary)
        ],
    )  # fmt: skip
    if found.count > len(found.job_ids):
        say(f"and {found.count - len(found.job_ids)} more")


def _amounts(action: BulkAction, found: BulkPreview, *, taken: bool) -> str:
    return ", ".join(
        f"{count} {status}"
        for status, count in found.statuses.items()
        if count and (status in TAKEN[action]) is taken
    )


def _is_person() -> bool:
    return sys.stdin.isatty()


def _confirm(action: BulkAction, found: BulkPreview, as_json: bool) -> None:
    if as_json or not _is_person():
        raise CommandFailedError("nothing was done: confirm it with --yes")
    if not click.confirm(f"{action.value} {counted(found.count, 'job')}?"):
        raise CommandFailedError("nothing was done")
