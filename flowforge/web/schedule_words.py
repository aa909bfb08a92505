"""Times and troubles of schedules in words."""

from __future__ import annotations

from datetime import UTC, datetime

from flowforge.common.bounded_repr import shown
from flowforge.common.duration import duration, span_of
from flowforge.errors import InvalidValueError
from flowforge.model.times.schedule_info import ScheduleInfo
from flowforge.model.times.timing import zone_of
from flowforge.web.filters import ago

#: Times that the page of a schedule has.
_NEXT = 5


def next_words(one: ScheduleInfo) -> list[str]:
    """The next times as the clock of the schedule's zone shows them, and how far they are."""
    try:
        zone = zone_of(one.timing.timezone)
    except InvalidValueError:
        zone = UTC
    return [
        f"{at.astimezone(zone):%A, %-d %B %Y, %H:%M:%S %Z}, {ago(at)}"
        for at in one.next_times(_NEXT)
    ]


def remark(one: ScheduleInfo) -> str:
    """What a person should know of it; empty: nothing."""
    if one.problem:
        return f"It cannot start its job: {one.problem}"
    if one.late:
        return f"It is {duration(one.late)} late: no worker has started its job."
    if one.paused_at is not None:
        by = f" by {one.by}" if one.by else ""
        return f"It was paused{by}" + (f": {one.reason}" if one.reason else "") + "."
    if one.vanished:
        return "No worker has it in code any more."
    if one.other_versions:
        return f"Workers have {one.other_versions} older versions of it in code as well."
    return ""


def past_time(text: str, now: datetime) -> datetime:
    """A time, or how long ago it was; without a zone it is one of this process."""
    span = span_of(text)
    if span is not None:
        return now - span
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):
        raise InvalidValueError(
            f"{shown(text)} is no time: give one such as 7d, 2h or 2026-11-01T09:00+01:00"
        ) from None
