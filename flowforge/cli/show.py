"""``flowforge show``: all that is kept of one job."""

from __future__ import annotations

import click

from flowforge.cli.arguments import job_argument
from flowforge.cli.render import json_option, print_json
from flowforge.cli.report import print_job
from flowforge.cli.session import Session, pass_session
from flowforge.cli.snapshot import job_snapshot


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
