"""``flowforge reschedule``: when a job starts that was put off."""

from __future__ import annotations

from datetime import datetime, timedelta

import click

from flowforge.cli.audited import audited
from flowforge.cli.control import print_mended
from flowforge.cli.options.arguments import by_option, job_argument
from flowforge.cli.options.start_options import start_options
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import json_option


@click.command("reschedule")
@job_argument
@click.argument("invocation", metavar="[INVOCATION]", type=click.IntRange(min=1), required=False)
@start_options
@by_option
@json_option
@pass_session
@audited("reschedule")
def reschedule(
    session: Session,
    job_id: str,
    invocation: int | None,
    delay: timedelta | None,
    at: datetime | None,
    by: str | None,
    as_json: bool,
) -> None:
    """Change when a job starts that was put off, or when an invocation on a timer is due."""
    if (delay is None) == (at is None):
        raise click.UsageError("give either --delay or --at")
    engine = session.engine(job_id)
    engine.mending.reschedule(job_id, delay, at, invocation, by)
    print_mended(engine, job_id, as_json)
