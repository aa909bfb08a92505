"""``flowforge break``, ``step`` and ``continue``: stopping a job before a handler starts."""

from __future__ import annotations

from typing import Any

import click

from flowforge.cli.audited import audited
from flowforge.cli.control import print_state
from flowforge.cli.options.arguments import by_option, job_argument
from flowforge.cli.options.conditions import FORMS, conditions
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import json_option, local_time, one_line, print_json, say
from flowforge.cli.terminal.tables import print_table
from flowforge.model.jobs.breakpoint import Breakpoint

#: Columns of a list of breakpoints.
BREAKPOINT_COLUMNS = ["ROUTINE", "CONDITION", "SET", "BY", "STOPPED"]

#: Numbers of invocations that a row names.
_NAMED = 10


@click.command("break")
@job_argument
@click.argument("routine", metavar="[ROUTINE]", required=False)
@click.option(
    "--when", metavar="CONDITION", multiple=True, callback=conditions,
    help=f"Only invocations whose params fulfil it: {FORMS}. Of several, all.",
)  # fmt: skip
@click.option(
    "--clear", is_flag=True, help="Clear it, or without ROUTINE all; what stopped there goes on."
)
@by_option
@json_option
@pass_session
@audited("break", lambda options: options["clear"] or options["routine"])
def break_(
    session: Session,
    job_id: str,
    routine: str | None,
    when: dict[str, list[tuple[str, Any]]] | None,
    clear: bool,
    by: str | None,
    as_json: bool,
) -> None:
    """Let invocations of ROUTINE stop before they run; without ROUTINE list the breakpoints."""
    if when is not None and (clear or routine is None):
        raise click.UsageError("--when needs a ROUTINE, and does not go with --clear")
    engine = session.engine(job_id)
    if clear:
        engine.breakpoints.clear(job_id, routine, by)
    elif routine is not None:
        engine.breakpoints.set(job_id, routine, when, by)
    else:
        found = engine.breakpoints.of_job(job_id)
        if as_json:
            print_json([dict(vars(one)) for one in found])
        else:
            print_breakpoints(found)
        return
    print_state(engine, job_id, as_json)


@click.command("step")
@job_argument
@click.argument("invocation", metavar="[INVOCATION]", required=False, type=click.IntRange(min=1))
@by_option
@json_option
@pass_session
@audited("step")
def step(
    session: Session, job_id: str, invocation: int | None, by: str | None, as_json: bool
) -> None:
    """Let one invocation go that has stopped at a breakpoint; by default the first one."""
    engine = session.engine(job_id)
    engine.breakpoints.step(job_id, invocation, by)
    print_state(engine, job_id, as_json)


@click.command("continue")
@job_argument
@click.argument("routine", metavar="[ROUTINE]", required=False)
@by_option
@json_option
@pass_session
@audited("continue")
def continue_(
    session: Session, job_id: str, routine: str | None, by: str | None, as_json: bool
) -> None:
    """Let all invocations go that have stopped at breakpoints, or at that of ROUTINE."""
    engine = session.engine(job_id)
    engine.breakpoints.go_on(job_id, routine, by)
    print_state(engine, job_id, as_json)


def print_breakpoints(found: list[Breakpoint]) -> None:
    """A table; a line when there are none."""
    if not found:
        say("no breakpoints")
        return
    rows = [
        [
            one.routine_id, one_line(one.condition, 200) or "always", local_time(one.at),
            one_line(one.by), _numbers(one.stopped),
        ]
        for one in found
    ]  # fmt: skip
    print_table(BREAKPOINT_COLUMNS, rows)


def _numbers(stopped: tuple[int, ...]) -> str:
    more = "" if len(stopped) <= _NAMED else " …"
    return " ".join(str(number) for number in stopped[:_NAMED]) + more
