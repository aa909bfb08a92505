"""``flowforge history``: what happened to one job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from flowforge.cli.arguments import job_argument
from flowforge.cli.explain import print_findings
from flowforge.cli.render import compact, json_option, local_time, one_line, print_json, say
from flowforge.cli.session import Session, pass_session
from flowforge.common.duration import duration
from flowforge.engine.engine import Engine
from flowforge.engine.job_state import JobState
from flowforge.errors import RecordError
from flowforge.model.job_finding import FindingKind, JobFinding
from flowforge.model.job_handle import HistoryEntry
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
@json_option
@pass_session
def history(session: Session, job_id: str, routine: str | None, limit: int, as_json: bool) -> None:
    """Show what happened to a job, in order."""
    engine = session.engine(job_id)
    entries = JobState(job_id, engine).get_execution_history(routine)[-limit:]
    if as_json:
        print_json([vars(entry) for entry in entries])
        return
    if entries:
        say(entry_line(None))
    day = ""
    for entry in entries:
        if (today := local_time(entry.at, "%Y-%m-%d")) != day:
            say(day := today)
        say(entry_line(entry))
    running = _running(engine, job_id, routine)
    if running:
        say("now")
        print_findings(running)


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


def entry_line(entry: HistoryEntry | None) -> str:
    """Time, kind, invocation, place and what else is known, in columns; None: their names."""
    if entry is None:
        return _columns("TIME", "KIND", "INVOCATION", "ROUTINE.SLOT", "DETAILS")
    number, place = "", ""
    if entry.routine_id is not None:
        number, place = str(entry.invocation), f"{entry.routine_id}.{entry.slot}"
    at = local_time(entry.at, f"%H:%M:%S.{entry.at.microsecond // 1000:03d}")
    kind, place = one_line(entry.kind), one_line(place)
    return _columns(at, kind, number, place, *_details(entry.details))


def _columns(at: str, kind: str, number: str, place: str, *details: str) -> str:
    words = [f"{at:<12}", f"{kind:<{_KIND}}", f"{number:<10}", f"{place:<20}", *details]
    return "  ".join(words).rstrip()


def _details(details: dict[str, Any]) -> Iterator[str]:
    details = dict(details)
    if isinstance(details.get("emitted"), dict) and "attempt" in details:
        yield f"attempt {details.pop('attempt')}"
        yield duration(details.pop("seconds"))
        yield one_line(f"on {details.pop('worker')}")
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
