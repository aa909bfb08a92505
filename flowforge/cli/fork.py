"""``flowforge fork``: a new job that starts with copies of deliveries."""

from __future__ import annotations

from typing import Any

import click

from flowforge.cli.audited import audited
from flowforge.cli.control import print_state
from flowforge.cli.options.arguments import by_option, edits, job_argument, new_params_option
from flowforge.cli.options.selection import label_values
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import json_option


@click.command("fork")
@job_argument
@click.argument(
    "invocations", metavar="INVOCATION...", nargs=-1, required=True, type=click.IntRange(min=1)
)
@click.option(
    "--edit", "edit", metavar="INVOCATION:K=V", multiple=True, callback=edits,
    help="Change a param of a copy, as in 5:amount=20. May be repeated.",
)  # fmt: skip
@click.option(
    "--label", "labels", metavar="NAME=VALUE", multiple=True, callback=label_values,
    help="A label of the new job; default: those of JOB. May be repeated.",
)  # fmt: skip
@new_params_option
@by_option
@json_option
@pass_session
@audited("fork")
def fork(
    session: Session,
    job_id: str,
    invocations: tuple[int, ...],
    edit: dict[int, dict[str, Any]],
    labels: dict[str, str],
    new_params: bool,
    by: str | None,
    as_json: bool,
) -> None:
    """Submit a new job that starts with copies of what JOB's invocations were given."""
    engine = session.engine(job_id)
    new_id = engine.fork(job_id, invocations, edit or None, labels or None, by, new_params)
    print_state(engine, new_id, as_json)
