"""``flowforge schedules``: which jobs start when; pausing, starting and making up for them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import click

from flowforge.cli.audited import audited
from flowforge.cli.group import CommandFailedError
from flowforge.cli.options.arguments import TIME_FORMS, by_option, filled, time_or_ago
from flowforge.cli.schedule_view import (
    COLUMNS,
    EVENT_COLUMNS,
    event_row,
    pairs,
    plain,
    row,
    utc_text,
)
from flowforge.cli.session import Session, pass_session
from flowforge.cli.target import load_module
from flowforge.cli.terminal.render import json_option, local_time, one_line, print_json, say
from flowforge.cli.terminal.tables import print_pairs, print_table
from flowforge.engine.schedules.declarations import DeclaredSchedules
from flowforge.engine.schedules.find import find_schedules
from flowforge.engine.schedules.schedule import declared_schedules
from flowforge.engine.schedules.state import ScheduleState, home_of_schedule
from flowforge.model.times.schedule import Overlap, check_schedule_name
from flowforge.settings import MOST
from flowforge.store.reading import moment
from flowforge.store.transitions.answers import Answer

_Command = TypeVar("_Command", bound=Callable[..., Any])

#: Schedules that cannot be read, as far as they are named.
_TOLD = 10

name_argument = click.argument("name", metavar="NAME")

overlap_option = click.option(
    "--overlap", type=click.Choice([one.value for one in Overlap]),
    help="What to do if a job of it has not ended; default: as the schedule does.",
)  # fmt: skip

reason_option = click.option("--reason", default="", metavar="TEXT", help="Why; it is kept.")


@click.group("schedules")
def schedules() -> None:
    """Jobs that start at certain times."""


@schedules.command("list")
@click.option("--flow", "flow_id", metavar="ID", callback=filled, help="Of this flow alone.")
@click.option("--limit", type=click.IntRange(1, MOST), default=200, show_default=True)
@click.option(
    "--cursor", metavar="CURSOR", help="Go on behind this schedule, as a list or its JSON says."
)
@json_option
@pass_session
def list_schedules(
    session: Session, flow_id: str | None, limit: int, cursor: str | None, as_json: bool
) -> None:
    """List the schedules by their next times."""
    found = find_schedules(session.engines(), limit, flow_id, cursor)
    if as_json:
        print_json([{**plain(one), "cursor": place.cursor} for place, one in found.schedules])
    elif found.schedules:
        print_table(COLUMNS, [row(one) for _, one in found.schedules])
    elif not found.silent:
        say("no schedules" if cursor is None else "no more schedules", err=True)
    if found.cursor is not None and (not as_json or len(found.schedules) < limit):
        say(f"there may be more: --cursor {one_line(found.cursor, 500)}", err=True)
    for error in found.left_out[:_TOLD]:
        say(f"left out: {one_line(str(error), 500)}", err=True)
    if len(found.left_out) > _TOLD:
        say(f"left out: {len(found.left_out) - _TOLD} more that cannot be read", err=True)
    if found.silent:
        raise CommandFailedError("; ".join(map(str, found.silent)))


@schedules.command("show")
@name_argument
@click.option(
    "--limit", type=click.IntRange(1, MOST), default=20, show_default=True,
    help="Entries of the history that are shown.",
)  # fmt: skip
@json_option
@pass_session
def show(session: Session, name: str, limit: int, as_json: bool) -> None:
    """Show the schedule NAME, and what it did lately."""
    schedule = _get(session, name)
    info, history = schedule.info(), schedule.history(limit)
    if as_json:
        print_json({**plain(info), "history": [vars(one) for one in history]})
        return
    print_pairs(pairs(info))
    say()
    print_table(EVENT_COLUMNS, [event_row(one) for one in history])


@schedules.command("next")
@name_argument
@click.option(
    "--count", "-n", type=click.IntRange(1, 1000), default=10, show_default=True,
    help="Times that are shown.",
)  # fmt: skip
@json_option
@pass_session
def next_times(session: Session, name: str, count: int, as_json: bool) -> None:
    """Print the next times of the schedule NAME: here, and in UTC."""
    info = _get(session, name).info()
    times = list(info.next_times(count))
    if as_json:
        print_json(times)
        return
    for one in times:
        say(f"{local_time(one)}  {utc_text(one)}")
    if not times:
        say("no more times", err=True)
    elif info.status == "paused":
        say("the schedule is paused: these times are skipped", err=True)


@schedules.command("apply")
@click.argument("modules", metavar="MODULE...", nargs=-1, required=True)
@json_option
@pass_session
@audited("apply schedules")
def apply(session: Session, modules: tuple[str, ...], as_json: bool) -> None:
    """Import the modules, and save the schedules that they declare, as workers do at their start.

    The exit status is 1 if one of them was not saved.
    """
    loaded = [load_module(one).__name__ for one in modules]
    declared = declared_schedules(loaded)
    answers = DeclaredSchedules(session.submitter()).save(declared)
    said = {one.name: _SAVED.get(answers.get(one.name), "failed") for one in declared}
    if as_json:
        print_json(said)
    else:
        for name, what in said.items():
            say(f"{name}: {what}")
    if not declared:
        raise CommandFailedError(
            f"{', '.join(loaded)} declares no schedule: call flow.schedule(...) at the top of a "
            "module, and name that module"
        )
    left = [name for name, what in said.items() if what not in ("saved", "as it was")]
    if left:
        raise CommandFailedError(f"not saved: {', '.join(left)}")


_SAVED: dict[Answer | None, str] = {
    Answer.OK: "saved",
    Answer.SAME: "as it was",
    Answer.OLDER: "workers have a newer version in code",
    Answer.MADE: "a program has saved another one of this name",
}


@schedules.command("pause")
@name_argument
@reason_option
@by_option
@json_option
@pass_session
@audited("pause schedule")
def pause(session: Session, name: str, reason: str, by: str | None, as_json: bool) -> None:
    """Start no jobs of NAME until it is resumed. Times that come meanwhile are skipped."""
    changed = _get(session, name).pause(reason, by=by)
    _tell(name, changed, "is paused" if changed else "was paused already", as_json)


@schedules.command("resume")
@name_argument
@reason_option
@by_option
@json_option
@pass_session
@audited("resume schedule")
def resume(session: Session, name: str, reason: str, by: str | None, as_json: bool) -> None:
    """Start jobs of NAME again, from its next time on."""
    changed = _get(session, name).resume(reason, by=by)
    _tell(name, changed, "goes on" if changed else "was not paused", as_json)


@schedules.command("trigger")
@name_argument
@overlap_option
@by_option
@json_option
@pass_session
@audited("trigger schedule")
def trigger(
    session: Session, name: str, overlap: str | None, by: str | None, as_json: bool
) -> None:
    """Start a job of NAME now, and print its id. Its times go on as they are."""
    job = _get(session, name).trigger(overlap=overlap, by=by)
    if as_json:
        print_json({"job_id": job.job_id})
    else:
        say(job.job_id)


@schedules.command("backfill")
@name_argument
@click.option(
    "--from", "start", required=True, callback=time_or_ago, metavar="TIME",
    help=f"From then on: {TIME_FORMS}",
)  # fmt: skip
@click.option(
    "--to", "end", required=True, callback=time_or_ago, metavar="TIME",
    help="Up to then, which is not among them.",
)  # fmt: skip
@overlap_option
@click.option("--dry-run", is_flag=True, help="Print the times alone.")
@by_option
@json_option
@pass_session
@audited("backfill schedule", lambda options: not options["dry_run"])
def backfill(
    session: Session, name: str, start: datetime | timedelta, end: datetime | timedelta,
    overlap: str | None, dry_run: bool, by: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Start jobs of NAME for times that have passed, one after the other.

    A time that has its job already starts no second one. With --overlap allow they start at once.
    """
    schedule = _get(session, name)
    now = moment(session.engines()[0].overview.now())
    first, last = (now - one if isinstance(one, timedelta) else one for one in (start, end))
    if dry_run:
        times = [moment(one * 1000) for one in schedule.backfill_times(first, last)]
        if as_json:
            print_json(times)
        for one in () if as_json else times:
            say(f"{local_time(one)}  {utc_text(one)}")
        return
    done = schedule.backfill(first, last, overlap=overlap, by=by)
    if as_json:
        print_json(vars(done))
    else:
        say(f"{done.started} started, {done.waiting} wait, {done.known} had their job")


@schedules.command("remove")
@name_argument
@by_option
@json_option
@pass_session
@audited("remove schedule")
def remove(session: Session, name: str, by: str | None, as_json: bool) -> None:
    """Forget the schedule NAME with its history. Its jobs go on."""
    _get(session, name).remove()
    _tell(name, True, "is removed", as_json)


def _get(session: Session, name: str) -> ScheduleState:
    submitter = session.submitter()
    schedule = ScheduleState(name, home_of_schedule(submitter, check_schedule_name(name)))
    schedule.info()
    return schedule


def _tell(name: str, changed: bool, what: str, as_json: bool) -> None:
    if as_json:
        print_json({"schedule": name, "changed": changed})
    else:
        say(f"schedule {name} {what}")
