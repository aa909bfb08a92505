"""``flowforge start-now``: starting a job at once that was put off."""

from __future__ import annotations

import click

from flowforge.cli.audited import audited
from flowforge.cli.control import print_mended
from flowforge.cli.options.arguments import by_option, job_argument
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import json_option


@click.command("start-now")
@job_argument
@by_option
@json_option
@pass_session
@audited("start now")
def start_now(session: Session, job_id: str, by: str | None, as_json: bool) -> None:
    """Start a job at once that was put off."""
    engine = session.engine(job_id)
    engine.mending.start_now(job_id, by)
    print_mended(engine, job_id, as_json)
