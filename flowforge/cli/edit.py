"""``flowforge edit``: changing the params of an invocation."""

from __future__ import annotations

from typing import Any

import click

from flowforge.cli.audited import audited
from flowforge.cli.control import print_mended
from flowforge.cli.options.arguments import (
    by_option,
    invocation_argument,
    job_argument,
    new_params_option,
    params_options,
)
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import json_option


@click.command("edit")
@job_argument
@invocation_argument
@params_options(
    "A param that changes; V is JSON if it reads as JSON. May be repeated.",
    "Changed params as one object.",
)
@click.option("--replace", is_flag=True, help="Drop the params that are not given.")
@new_params_option
@by_option
@json_option
@pass_session
@audited("edit")
def edit(
    session: Session,
    job_id: str,
    invocation: int,
    given: dict[str, Any],
    params_json: Any,
    replace: bool,
    new_params: bool,
    by: str | None,
    as_json: bool,
) -> None:
    """Change params of an invocation that is parked or on a timer."""
    params = {**(params_json or {}), **given}
    if not params and not replace:
        raise click.UsageError("give --param K=V or --params-json JSON")
    engine = session.engine(job_id)
    engine.mending.edit(job_id, {invocation: params}, replace, by, new_params=new_params)
    print_mended(engine, job_id, as_json)
