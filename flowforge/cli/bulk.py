"""``flowforge bulk``: the bulk operations that run, and those that have ended lately."""

from __future__ import annotations

from dataclasses import asdict

import click

from flowforge.cli.audited import audited
from flowforge.cli.bulk_view import look_on, print_info, print_list
from flowforge.cli.options.arguments import by_option
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import json_option, one_line, print_json, say
from flowforge.engine.bulk.bulk import Bulk, recent_bulks
from flowforge.errors import RecordError
from flowforge.settings import MOST

_bulk_argument = click.argument("bulk_id", metavar="ID")


@click.group("bulk")
def bulk() -> None:
    """Look at bulk operations, those of --all-matching and of Bulk, and end them."""


@bulk.command("list")
@click.option("--limit", type=click.IntRange(min=1, max=MOST), default=20, show_default=True)
@json_option
@pass_session
def list_bulks(session: Session, limit: int, as_json: bool) -> None:
    """List bulk operations, the latest first; they are kept for 7 days after their end."""
    left_out: list[RecordError] = []
    found = recent_bulks(session.engines(), limit, left_out)
    if as_json:
        print_json([asdict(info) for info in found])
    elif found:
        print_list(found)
    else:
        say("no bulk operations", err=True)
    for error in left_out:
        say(f"left out: {one_line(str(error), 500)}", err=True)


@bulk.command("show")
@_bulk_argument
@click.option("--watch", is_flag=True, help="Look on until it has ended.")
@json_option
@pass_session
def show(session: Session, bulk_id: str, watch: bool, as_json: bool) -> None:
    """Show what a bulk operation does to which jobs, how far it is, and what was refused."""
    found = Bulk(bulk_id, session.engines())
    if watch:
        look_on(found, as_json)
    print_info(found.info, as_json)


@bulk.command("abort")
@_bulk_argument
@by_option
@json_option
@pass_session
@audited("abort bulk operation")
def abort(session: Session, bulk_id: str, by: str | None, as_json: bool) -> None:
    """End a bulk operation before it has come to all jobs; what it has done stays done."""
    found = Bulk(bulk_id, session.engines())
    found.abort(by=by)
    print_info(found.info, as_json)
