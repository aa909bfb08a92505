"""``flowforge watch``: a job that is there already, until its end."""

from __future__ import annotations

import click

from flowforge.cli.kept_engine import KeptEngine
from flowforge.cli.options.arguments import job_argument
from flowforge.cli.report import print_end
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.progress_view import progress_view
from flowforge.cli.terminal.render import json_option
from flowforge.cli.waiting import saying_outlook, timeout_option, wait_with_view


@click.command("watch")
@job_argument
@timeout_option
@json_option
@pass_session
def watch(session: Session, job_id: str, timeout: float | None, as_json: bool) -> None:
    """Watch a job until it has ended, or is paused with nothing running.

    The exit status is 0 only if the job completed.
    """
    engine = session.engine(job_id)
    engine.inspector.status(job_id)
    if not isinstance(engine, KeptEngine):
        with saying_outlook(engine, job_id):
            wait_with_view(engine, job_id, timeout, progress_view(as_json))
    click.get_current_context().exit(print_end(engine, job_id, as_json))
