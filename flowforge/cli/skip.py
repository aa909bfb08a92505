"""``flowforge skip``: ending an invocation in its handler's place."""

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
)
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import json_option
from flowforge.codec.plain import read_json


def _emissions(
    _: click.Context, __: click.Parameter, given: tuple[tuple[str, str], ...]
) -> list[tuple[str, dict[str, Any]]]:
    emitted = []
    for event, text in given:
        try:
            params = read_json(text)
        except ValueError as error:
            raise click.BadParameter(f"the params of {event!r} are no JSON: {error}") from error
        if not isinstance(params, dict):
            raise click.BadParameter(f"the params of {event!r} must be a JSON object")
        emitted.append((event, params))
    return emitted


@click.command("skip")
@job_argument
@invocation_argument
@click.option(
    "--emit", metavar="EVENT JSON", type=(str, str), multiple=True, callback=_emissions,
    help="An event that it emits, and its params as a JSON object. May be repeated.",
)  # fmt: skip
@new_params_option
@by_option
@json_option
@pass_session
@audited("skip")
def skip(
    session: Session,
    job_id: str,
    invocation: int,
    emit: list[tuple[str, dict[str, Any]]],
    new_params: bool,
    by: str | None,
    as_json: bool,
) -> None:
    """End an invocation that is parked or on a timer, without its handler."""
    engine = session.engine(job_id)
    engine.mending.skip(job_id, invocation, emit, by, new_params)
    print_mended(engine, job_id, as_json)
