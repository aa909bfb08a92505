"""``flowforge edit``: changing the params of an invocation."""

from __future__ import annotations

from typing import Any

import click

from flowforge.cli.arguments import by_option, invocation_argument, job_argument, json_value, pairs
from flowforge.cli.control import print_mended, say_added
from flowforge.cli.render import json_option
from flowforge.cli.session import Session, pass_session


@click.command("edit")
@job_argument
@invocation_argument
@click.option(
    "--param", "changed", metavar="K=V", multiple=True, callback=pairs,
    help="A param that changes; V is JSON if it reads as JSON. May be repeated.",
)  # fmt: skip
@click.option(
    "--params-json", metavar="JSON", callback=json_value, help="Changed params as one object."
)
@click.option("--replace", is_flag=True, help="Drop the params that are not given.")
@by_option
@json_option
@pass_session
def edit(
    session: Session,
    job_id: str,
    invocation: int,
    changed: dict[str, Any],
    params_json: Any,
    replace: bool,
    by: str | None,
    as_json: bool,
) -> None:
    """Change params of an invocation that is parked or on a timer."""
    if params_json is not None and not isinstance(params_json, dict):
        raise click.BadParameter("it must be a JSON object", param_hint="--params-json")
    params = {**(params_json or {}), **changed}
    if not params and not replace:
        raise click.UsageError("give --param K=V or --params-json JSON")
    engine = session.engine(job_id)
    say_added(engine.mending.edit(job_id, {invocation: params}, replace, by))
    print_mended(engine, job_id, as_json)
