"""``flowforge deliver``: answering what a job expects."""

from __future__ import annotations

from typing import Any

import click

from flowforge.cli.audited import audited
from flowforge.cli.control import print_state
from flowforge.cli.options.arguments import by_option, filled, job_argument, json_object, pairs
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import json_option, one_line, say
from flowforge.engine.engine import Engine

#: Answers that the job expects and that are named.
_NAMED = 5


@click.command("deliver")
@job_argument
@click.argument("routine", metavar="ROUTINE")
@click.argument("slot", metavar="SLOT")
@click.option(
    "--params", "params_json", metavar="JSON", callback=json_object, help="The answer as an object."
)
@click.option(
    "--param", "given", metavar="K=V", multiple=True, callback=pairs,
    help="A param of the answer; V is JSON if it reads as JSON. May be repeated.",
)  # fmt: skip
@click.option("--key", metavar="TEXT", default="", help="Which of several answers for this slot.")
@click.option(
    "--delivery-id", metavar="TEXT", callback=filled,
    help="Deliver the answer with this id once, however often it is sent.",
)  # fmt: skip
@by_option
@json_option
@pass_session
@audited("deliver", lambda options: f"{options['routine']}.{options['slot']}")
def deliver(
    session: Session,
    job_id: str,
    routine: str,
    slot: str,
    params_json: Any,
    given: dict[str, Any],
    key: str,
    delivery_id: str | None,
    by: str | None,
    as_json: bool,
) -> None:
    """Answer what JOB expects for SLOT of ROUTINE; an answer that comes early is kept."""
    engine = session.engine(job_id)
    params = {**(params_json or {}), **given}
    number = engine.expectations.deliver(job_id, routine, slot, params, by, delivery_id, key)
    if number is None:
        say("nothing expects this answer yet; it is kept until something does", err=True)
        _say_what_is_expected(engine, job_id)
    print_state(engine, job_id, as_json)


def _say_what_is_expected(engine: Engine, job_id: str) -> None:
    """What the answer may have been meant for."""
    found = engine.expectations.of_job(job_id, _NAMED)
    if found:
        places = ", ".join(one_line(one.place, 200) for one in found)
        say(f"the job expects now: {places}", err=True)
