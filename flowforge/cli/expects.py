"""``flowforge expects``: answers that jobs wait for, the oldest first."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from flowforge.cli.group import CommandFailedError
from flowforge.cli.options.arguments import filled
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import json_option, local_time, one_line, print_json, say
from flowforge.cli.terminal.tables import print_table
from flowforge.engine.finding.find_expectations import find_expectations
from flowforge.model.answers.expectation import Expectation
from flowforge.settings import MOST

COLUMNS = ["JOB", "FLOW", "FOR", "FROM", "SINCE", "UNTIL", "THEN"]


@click.command("expects")
@click.option("--assign", metavar="NAME", callback=filled, help="Only those assigned to NAME.")
@click.option("--flow", "flow_id", metavar="FLOW", callback=filled, help="Only jobs of this flow.")
@click.option("--job", "job_id", metavar="JOB", callback=filled, help="Only those of this job.")
@click.option("--limit", type=click.IntRange(min=1, max=MOST), default=20, show_default=True)
@click.option("--cursor", metavar="CURSOR", help="Go on behind this place, as a list says.")
@json_option
@pass_session
def expects(
    session: Session,
    assign: str | None,
    flow_id: str | None,
    job_id: str | None,
    limit: int,
    cursor: str | None,
    as_json: bool,
) -> None:
    """List the answers that jobs wait for, the oldest first."""
    if job_id is not None:
        if assign or flow_id or cursor:
            raise click.UsageError("--job lists all of one job: leave the other options out")
        _list(session.engine(job_id).expectations.of_job(job_id, limit), None, as_json)
        return
    found = find_expectations(session.engines(), limit, assign, flow_id, cursor)
    if found.expectations or not found.silent:
        _list(found.expectations, found.cursor, as_json)
    if found.silent:
        raise CommandFailedError("; ".join(str(error) for error in found.silent))


def _list(found: list[Expectation], cursor: str | None, as_json: bool) -> None:
    if as_json:
        print_json({"expectations": [about(one) for one in found], "cursor": cursor})
        return
    if not found:
        say("nothing expects an answer")
    else:
        print_table(COLUMNS, [_row(one) for one in found])
        say(f"answer the first: {one_line(found[0].command, 500)}", err=True)
    if cursor is not None:
        say(f"there may be more: --cursor {cursor}", err=True)


def about(one: Expectation) -> dict[str, Any]:
    """An expectation as data."""
    return {**asdict(one), "command": one.command}


def _row(one: Expectation) -> list[str]:
    return [
        one.job_id, one_line(one.flow_id), one_line(one.place, 200),
        one_line(", ".join(one.assign), 200), local_time(one.since),
        "" if one.until is None else local_time(one.until),
        "" if one.until is None else "goes on" if one.otherwise else "fails",
    ]  # fmt: skip
