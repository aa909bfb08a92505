"""``flowforge top``: a fleet on a terminal, alive."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from typing import Any

import click

from flowforge.cli.fleet_screen.frame import as_lines, page
from flowforge.cli.fleet_screen.look import Look, Reader, View, query_of
from flowforge.cli.fleet_screen.state import Screen
from flowforge.cli.options.arguments import by_option
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import console, json_option, print_json, say
from flowforge.engine.engine import Submitter

#: Columns of a frame where the output is no terminal.
_WIDTH = 120


@click.command("top")
@click.option(
    "--view", type=click.Choice([view.value for view in View]), default=View.JOBS.value,
    show_default=True, help="What is shown first.",
)  # fmt: skip
@click.option("--search", default="", metavar="TEXT", help="The jobs to show, as after the key /.")
@click.option("--once", is_flag=True, help="Print one view as text, and end.")
@by_option
@json_option
@pass_session
def top(
    session: Session, view: str, search: str, once: bool, by: str | None, as_json: bool
) -> None:
    """Watch jobs, routines, queues and workers, and control jobs. The key ? shows all keys."""
    submitter = session.submitter()
    screen = Screen(View(view), search)
    if as_json:
        print_json(_data(Reader(submitter).everything(query_of(search))))
    elif once:
        _print_once(submitter, screen)
    else:
        _show(submitter, screen, by)


def _print_once(submitter: Submitter, screen: Screen) -> None:
    screen.see(Reader(submitter).look(screen.wanted), 0.0)
    width = shutil.get_terminal_size((_WIDTH, 24)).columns if sys.stdout.isatty() else _WIDTH
    for line in as_lines(page(screen, width)):
        say(line)


def _show(submitter: Submitter, screen: Screen, by: str | None) -> None:
    dumb = os.environ.get("TERM", "") in ("", "dumb", "unknown")
    if dumb or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError(
            "top needs a terminal that can move its cursor; elsewhere use --once, --json, or "
            "`flowforge jobs`"
        )
    try:
        from flowforge.cli.fleet_screen.loop import show  # noqa: PLC0415
        from flowforge.cli.fleet_screen.terminal import Terminal  # noqa: PLC0415
    except ImportError as error:  # a system without termios
        raise click.UsageError(
            f"top does not know the terminals of this system ({error.name} is missing): use --once"
        ) from error
    # Without a handler, warnings of the library would be written across the screen.
    logging.getLogger("flowforge").addHandler(logging.NullHandler())
    with Terminal(console()) as terminal:
        show(submitter, screen, terminal, by)


def _data(look: Look) -> dict[str, Any]:
    return {
        "at": look.at,
        "counts": look.counts,
        "silent": look.silent,
        "upkeep": look.leading,
        "jobs": [vars(one) for one in look.jobs],
        "routines": [vars(one) for one in look.routines],
        "servers": [
            {
                "name": fleet.name,
                "queues": [vars(one) for one in fleet.queues],
                "workers": [{**vars(one), "live": one.live} for one in fleet.workers],
                "running": [vars(one) for one in fleet.running],
                "running_count": fleet.total,
            }
            for fleet in look.fleets
        ],
        "ended_by_minute": look.ended,
    }
