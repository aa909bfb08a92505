"""``flowforge show``: all that is kept of one job."""

from __future__ import annotations

import click

from flowforge.cli.options.arguments import optional_job_argument
from flowforge.cli.report import print_job
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import json_option, print_json
from flowforge.engine.finding.find import job_with_key
from flowforge.engine.jobs.job_report import job_snapshot


@click.command("show")
@optional_job_argument
@click.option(
    "--key", nargs=2, metavar="FLOW KEY", help="The job of FLOW with this idempotency key."
)
@json_option
@pass_session
def show(session: Session, job_id: str | None, key: tuple[str, str] | None, as_json: bool) -> None:
    """Show one job: params, status, error, routines, pauses, outputs."""
    if (job_id is None) == (key is None):
        raise click.UsageError("give either JOB, or --key FLOW KEY")
    if key is not None:
        job_id, engine = job_with_key(session.engines(), *key)
    else:
        assert job_id is not None
        engine = session.engine(job_id)
    job = job_snapshot(engine, job_id)
    if as_json:
        print_json(job)
    else:
        print_job(job)
