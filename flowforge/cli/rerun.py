"""``flowforge rerun``: a new job like one that was."""

from __future__ import annotations

from typing import Any

import click

from flowforge.cli.audited import audited
from flowforge.cli.control import print_state
from flowforge.cli.options.arguments import job_argument, new_params_option, params_options
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import json_option
from flowforge.engine.mending.rerun import DEFINITIONS


@click.command("rerun")
@job_argument
@params_options(
    "An entry param; V is JSON if it reads as JSON. May be repeated.",
    "All entry params as one object.",
)
@click.option(
    "--definition", type=click.Choice(DEFINITIONS), default="latest", show_default=True,
    help="That of the flow's newest job, or that of this job.",
)  # fmt: skip
@new_params_option
@json_option
@pass_session
@audited("run again")
def rerun(
    session: Session,
    job_id: str,
    given: dict[str, Any],
    params_json: Any,
    definition: str,
    new_params: bool,
    as_json: bool,
) -> None:
    """Submit a new job of the same flow, entered at the same slot.

    Without params it gets those of JOB; params that you give replace all of them.
    """
    engine = session.engine(job_id)
    params = None if params_json is None and not given else {**(params_json or {}), **given}
    new_id = engine.rerun(job_id, params, definition, new_params)
    print_state(engine, new_id, as_json)
