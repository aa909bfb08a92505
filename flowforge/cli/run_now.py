"""``flowforge run-now``: running an invocation at once that is on a timer."""

from __future__ import annotations

import click

from flowforge.cli.audited import audited
from flowforge.cli.control import print_mended
from flowforge.cli.options.arguments import by_option, invocation_argument, job_argument
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import json_option


@click.command("run-now")
@job_argument
@invocation_argument
@by_option
@json_option
@pass_session
@audited("run now")
def run_now(session: Session, job_id: str, invocation: int, by: str | None, as_json: bool) -> None:
    """Run an invocation at once that is on a timer."""
    engine = session.engine(job_id)
    engine.mending.run_now(job_id, invocation, by)
    print_mended(engine, job_id, as_json)
