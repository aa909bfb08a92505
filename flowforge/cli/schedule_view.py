"""Schedules as the command line prints them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rich.text import Text

from flowforge.cli.terminal.render import labels_shown, local_time, one_line, status_text
from flowforge.common.duration import duration
from flowforge.model.times.schedule import time_text
from flowforge.model.times.schedule_info import ScheduleEvent, ScheduleInfo

COLUMNS = ("SCHEDULE", "FLOW", "<WHEN", "STATE", "NEXT", "LAST", ">STARTED", ">SKIPPED", "<REMARK")

EVENT_COLUMNS = ("AT", "WHAT", "FOR", "<ABOUT")

#: How a job came about, by the word of the history.
_HOW = {
    "schedule": "",
    "queue": ", after the job before it",
    "trigger": ", asked for by hand",
    "backfill": ", backfilled",
}


def plain(one: ScheduleInfo) -> dict[str, Any]:
    """A schedule as JSON has it."""
    found = {name: value for name, value in vars(one).items() if name not in ("timing", "policy")}
    return {**found, **one.timing.fields(), **vars(one.policy)}


def row(one: ScheduleInfo) -> list[str | Text]:
    """A line of the list."""
    return [
        one.name, one.flow_id, one_line(one.timing.describe(), 40), state(one),
        _time(one.next_at), _time(one.last_at), str(one.started),
        str(sum(one.skipped.values())), one_line(remark(one), 100),
    ]  # fmt: skip


def state(one: ScheduleInfo) -> str | Text:
    """Whether it starts jobs."""
    return status_text("paused") if one.status == "paused" else one.status.value


def remark(one: ScheduleInfo) -> str:
    """What a person should know of it; empty: nothing."""
    if one.problem:
        return one.problem
    if one.late:
        return f"{duration(one.late)} late: no worker has done it"
    if one.reason is not None or one.paused_at is not None:
        by = f" by {one.by}" if one.by else ""
        return f"paused{by}" + (f": {one.reason}" if one.reason else "")
    if one.vanished:
        return "no worker has it in code any more"
    return ""


def pairs(one: ScheduleInfo) -> list[tuple[str, str | Text]]:
    """What ``show`` says of one."""
    policy = one.policy
    skipped = ", ".join(f"{count} {why}" for why, count in one.skipped.items())
    found: list[tuple[str, str | Text]] = [
        ("schedule", one.name),
        ("flow", f"{one.flow_id} at {one.entry}"),
        ("when", one.timing.describe() + _jitter(one)),
        ("state", state(one)),
        ("next", _time(one.next_at)),
        ("last", f"{_time(one.last_at)} {one.last_job_id or ''}".rstrip()),
        ("overlap", policy.overlap.value),
        ("missed", f"{policy.missed.value}, up to {duration(policy.catch_up)} ago"),
        ("started", str(one.started) + (f" of {policy.times}" if policy.times else "")),
        ("skipped", skipped or "0"),
        ("waiting", str(one.waiting)),
        ("params", one_line(str(one.params), 500)),
        ("from", one.module or "a program"),
        ("definition", one.definition),
    ]
    if policy.pause_on_failure:
        found.append(("on failure", "pauses"))
    if one.labels:
        found.append(("labels", labels_shown(dict(one.labels))))
    if said := remark(one):
        found.append(("remark", one_line(said, 500)))
    if one.other_versions:
        found.append(("in code", f"workers have {one.other_versions} older versions as well"))
    return found


def event_row(one: ScheduleEvent) -> list[str | Text]:
    """A line of the history."""
    return [local_time(one.at), one.kind, _time(one.time), one_line(_about(one), 200)]


def _about(one: ScheduleEvent) -> str:
    if one.job_id is not None and one.kind != "paused":
        by = f", by {one.by}" if one.by else ""
        return f"{one.job_id}{_HOW.get(one.how or '', '')}{by}"
    until = f" until {local_time(one.until)}" if one.until and one.until != one.time else ""
    count = f"{one.count} times{until}" if one.count > 1 else ""
    by = f"by {one.by}" if one.by else ""
    job = one.job_id or ""
    return ": ".join(part for part in (count, by, one.why or "", job) if part)


def _jitter(one: ScheduleInfo) -> str:
    jitter = one.timing.jitter
    return f", up to {duration(jitter)} later" if jitter else ""


def _time(at: datetime | None) -> str:
    return "-" if at is None else local_time(at)


def utc_text(at: datetime) -> str:
    """A time as keys have it."""
    return time_text(int(at.timestamp()))
