"""``flowforge history``: what happened to one job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import click

from flowforge.cli.explain import print_findings
from flowforge.cli.kept_engine import KeptEngine
from flowforge.cli.options.arguments import job_argument
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import (
    compact,
    json_option,
    local_time,
    one_line,
    print_json,
    say,
)
from flowforge.codec.plain import to_json
from flowforge.common.duration import duration
from flowforge.engine.engine import Engine
from flowforge.engine.jobs.job_state import JobState
from flowforge.errors import RecordError
from flowforge.model.jobs.job_event import EventKind, JobEvent
from flowforge.model.jobs.job_finding import FindingKind, JobFinding
from flowforge.settings import MOST

#: Columns of the longest kind of an entry, ``error_continued``.
_KIND = 15


@click.command("history")
@job_argument
@click.option("--routine", metavar="ID", help="Only what concerns this routine.")
@click.option(
    "--limit", type=click.IntRange(min=0, max=MOST), default=100, show_default=True,
    help="Only the latest entries; 0 for all.",
)  # fmt: skip
@click.option("--since", metavar="ID", help="Only what came after the entry with this id.")
@click.option("--follow", is_flag=True, help="Go on with what comes, until the job has ended.")
@json_option
@pass_session
def history(
    session: Session,
    job_id: str,
    routine: str | None,
    limit: int,
    since: str | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Show what happened to a job, in order.

    With --follow and --json one object a line, whose id --since takes.
    """
    engine = session.engine(job_id)
    job = JobState(job_id, engine)
    if routine is not None:
        engine.inspector.definition(job_id).index(routine)
    elif since is None and limit:
        since = _behind_which(engine, job_id, limit)
    if follow:
        # Nothing happens to what an embedded engine has left behind.
        until_end = not isinstance(engine, KeptEngine)
        _print(_concerning(job.events(since, until_end=until_end), routine), as_json)
        return
    events = _concerning(job.events(since, until_end=False), routine)
    entries = [event for event in events if event.kind != EventKind.ENDED][-limit:]
    if as_json:
        print_json([_entry(event) for event in entries])
        return
    _print(entries, as_json)
    running = _running(engine, job_id, routine)
    if running:
        say("now")
        print_findings(running)


def _behind_which(engine: Engine, job_id: str, limit: int) -> str | None:
    """The id of the entry before the latest ones; None when there are no more."""
    latest = list(engine.inspector.history(job_id, limit + 1))
    return latest[0].id if len(latest) > limit else None


def _concerning(events: Iterable[JobEvent], routine: str | None) -> Iterator[JobEvent]:
    """The events that concern a routine, and those that concern all of them."""
    for event in events:
        about = (event.routine_id, event.details.get("routine_id"))
        if routine is None or routine in about or event.kind in tuple(EventKind):
            yield event


def _entry(event: JobEvent) -> dict[str, Any]:
    """An event as an entry of the history of its job."""
    return {name: value for name, value in vars(event).items() if name != "job_id"}


def _print(events: Iterable[JobEvent], as_json: bool) -> None:
    """One by one, as they come."""
    day = ""
    for event in events:
        if as_json:
            click.echo(to_json(vars(event), None))
            continue
        if not day:
            say(entry_line(None))
        if (today := local_time(event.at, "%Y-%m-%d")) != day:
            say(day := today)
        say(entry_line(event))


def _running(engine: Engine, job_id: str, routine: str | None) -> list[JobFinding]:
    """What runs now; nothing for a job whose row cannot be read, which ``show`` reports."""
    try:
        found = engine.explain(job_id)
    except RecordError:
        return []
    return [
        one
        for one in found
        if one.kind == FindingKind.RUNNING and routine in (None, one.routine_id)
    ]


def entry_line(entry: JobEvent | None) -> str:
    """Time, kind, invocation, place and what else is known, in columns; None: their names."""
    if entry is None:
        return _columns("TIME", "KIND", "INVOCATION", "ROUTINE.SLOT", "DETAILS")
    number, place = "", ""
    if entry.routine_id is not None:
        number, place = str(entry.invocation), f"{entry.routine_id}.{entry.slot}"
    at = local_time(entry.at, f"%H:%M:%S.{entry.at.microsecond // 1000:03d}")
    kind, place = one_line(entry.kind), one_line(place)
    if entry.kind == EventKind.GAP:
        return _columns(at, kind, number, place, _gap(entry.details["history_limit"]))
    return _columns(at, kind, number, place, *_details(entry.details))


def _gap(limit: int) -> str:
    if limit == 0:
        return "the history of this job is off (history_limit=0)"
    return f"earlier entries may have been deleted: the history keeps about {limit}"


def _columns(at: str, kind: str, number: str, place: str, *details: str) -> str:
    words = [f"{at:<12}", f"{kind:<{_KIND}}", f"{number:<10}", f"{place:<20}", *details]
    return "  ".join(words).rstrip()


def _details(details: dict[str, Any]) -> Iterator[str]:
    details = dict(details)
    if isinstance(details.get("emitted"), dict) and "attempt" in details:
        yield f"attempt {details.pop('attempt')}"
        yield duration(details.pop("seconds"))
        yield one_line(f"on {details.pop('worker')}")
        if queued := details.pop("queued", 0):
            yield f"queued {duration(queued)}"
    for name, value in details.items():
        if name == "error" and isinstance(value, dict) and {"type", "message"} <= value.keys():
            yield one_line(f"{value['type']}: {value['message']}")
        elif name == "changes":
            for param, change in value.items():
                yield one_line(f"{param}: {_side(change['old'])} -> {_side(change['new'])}")
        elif value not in (None, "", {}):
            yield f"{one_line(str(name))} {compact(value)}"


def _side(text: str | None) -> str:
    """A value before or after an edit."""
    return "(none)" if text is None else text
