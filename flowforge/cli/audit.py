"""``flowforge audit``: what people did in dashboards and on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from flowforge.cli.options.arguments import TIME_FORMS, time_or_ago
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import json_option, local_time, one_line, print_json, say
from flowforge.cli.terminal.tables import print_table
from flowforge.codec.plain import to_json
from flowforge.engine.finding.audit import AuditFilter, find_audit, follow_audit
from flowforge.engine.finding.known_names import unknown_in_audit
from flowforge.model.jobs.audit import AuditEntry
from flowforge.settings import MOST

#: Jobs that a line names.
_NAMED = 2


@click.command("audit")
@click.option("--by", metavar="NAME", help="Only what this person did.")
@click.option("--action", metavar="TEXT", help="Only actions with this in their name.")
@click.option("--job", "job_id", metavar="JOB", help="Only what was about this job.")
@click.option(
    "--since", metavar="TIME", callback=time_or_ago, help=f"Only what was done since {TIME_FORMS}"
)
@click.option("--limit", type=click.IntRange(min=1, max=MOST), default=50, show_default=True)
@click.option("--cursor", metavar="CURSOR", help="Go on behind this entry, as a list says.")
@click.option("--follow", is_flag=True, help="Show what comes from now on, without end.")
@json_option
@pass_session
def audit(
    session: Session,
    by: str | None,
    action: str | None,
    job_id: str | None,
    since: datetime | timedelta | None,
    limit: int,
    cursor: str | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Show who did what to jobs, the newest first.

    With --follow one entry a line, as it comes; with --json too, one object each.
    """
    moment = datetime.now(UTC) - since if isinstance(since, timedelta) else since
    wanted = AuditFilter(by, action, job_id, moment)
    engines = session.engines()
    if follow:
        for entry in follow_audit(engines, wanted):
            click.echo(to_json(_plain(entry), None)) if as_json else say(_line(entry))
        return
    found = find_audit(engines, wanted, limit, cursor)
    if as_json:
        print_json([_plain(entry) for entry in found.entries])
    elif found.entries:
        _print(found.entries)
    else:
        say("no such entries", err=True)
        if unknown := unknown_in_audit(engines, wanted):
            say(one_line(unknown, 500), err=True)
    if found.cursor and not as_json:
        say(f"there are more: --cursor {found.cursor}", err=True)
    for error in found.left_out[:_NAMED]:
        say(f"left out: {one_line(str(error), 500)}", err=True)


def _plain(entry: AuditEntry) -> dict[str, Any]:
    return {"id": f"{entry.id}/{entry.server}", "at": entry.at, **vars(entry.record)}


def _print(entries: Iterable[AuditEntry]) -> None:
    print_table(
        ("TIME", "BY", "ACTION", "OUTCOME", "JOBS", "<REASON", "<WHAT"),
        [
            [
                local_time(one.at, "%m-%d %H:%M:%S"), one_line(one.record.by) or "-",
                _action(one), one.record.outcome, _jobs(one), one_line(one.record.reason),
                one_line(one.record.what),
            ]
            for one in entries
        ],
    )  # fmt: skip


def _line(entry: AuditEntry) -> str:
    record = entry.record
    parts = [
        local_time(entry.at, "%m-%d %H:%M:%S"), record.by or "-", _action(entry), record.outcome,
        _jobs(entry), record.reason, record.what,
    ]  # fmt: skip
    return one_line("  ".join(part for part in parts if part), 500)


def _action(entry: AuditEntry) -> str:
    times = f" ({entry.record.count} times)" if entry.record.count > 1 else ""
    return one_line(entry.record.action) + times


def _jobs(entry: AuditEntry) -> str:
    named = list(entry.record.job_ids)
    more = f" +{len(named) - _NAMED}" if len(named) > _NAMED else ""
    return one_line(" ".join(named[:_NAMED])) + more
