"""What a schedule is: its name, its times, and what it does when jobs overlap or times are
missed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from flowforge.common.bounded_repr import shown
from flowforge.errors import InvalidValueError
from flowforge.model.times.start import MOST_DAYS
from flowforge.model.times.timing import Timing, checked_cron, zone_of

#: Seconds that a job may start behind its time before that counts as missed: what a restart of the
#: server or a change of the leading worker takes.
LATE = 60

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@+-]{0,127}")

_MOST_SECONDS = MOST_DAYS * 86_400


class Overlap(StrEnum):
    """What is done when a time comes while a job of the schedule has not ended."""

    #: No job is started.
    SKIP = "skip"
    #: One time waits for the end of the job; further ones are skipped.
    QUEUE = "queue"
    #: The times wait, up to 1,000 of them, and are started one after the other.
    QUEUE_ALL = "queue_all"
    #: The job is cancelled, and the next one started.
    REPLACE = "replace"
    #: The next one runs at the same time.
    ALLOW = "allow"


class Missed(StrEnum):
    """What is done about times at which no worker was there, or the server was away."""

    #: Nothing.
    SKIP = "skip"
    #: The latest of them starts a job.
    LATEST = "latest"
    #: Each of them starts a job.
    ALL = "all"


class ScheduleStatus(StrEnum):
    """Whether a schedule starts jobs."""

    ACTIVE = "active"
    PAUSED = "paused"
    #: It has started as many jobs as it was to, or no time is left.
    ENDED = "ended"


@dataclass(frozen=True)
class Policy:
    """``catch_up``: seconds; ``times``: jobs that are started in all, None: without end."""

    overlap: Overlap = Overlap.SKIP
    missed: Missed = Missed.LATEST
    catch_up: int = 86_400
    pause_on_failure: bool = False
    times: int | None = None


def check_schedule_name(name: object) -> str:
    """Return a name that a schedule can have; InvalidValueError."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise InvalidValueError(
        f"a schedule's name has up to 128 letters, digits and _ . : / @ + -, and begins with a "
        f"letter or digit: {shown(name)} does not"
    )


def make_timing(
    cron: object, every: object, offset: object, timezone: object, jitter: object
) -> Timing:
    """The times of a schedule; InvalidValueError for what is none."""
    if (cron is None) == (every is None):
        raise InvalidValueError("give either cron= or every=, such as every=3600")
    put_off = _seconds("jitter", jitter, 0)
    if every is not None:
        if timezone is not None:
            raise InvalidValueError(
                "every= counts seconds since 1970 and has no time zone: leave timezone= out, or "
                "use cron="
            )
        interval = _seconds("every", every, 1)
        return Timing("", interval, _seconds("offset", offset, 0) % interval, "UTC", put_off)
    if offset not in (0, None):
        raise InvalidValueError("offset= is for every=; a cron pattern says when by itself")
    zone = "UTC" if timezone is None else timezone
    if not isinstance(zone, str):
        raise InvalidValueError(f"timezone must be a name such as 'UTC', not {shown(zone)}")
    zone_of(zone)
    return Timing(checked_cron(cron), 0, 0, zone, put_off)


def make_policy(
    overlap: object, missed: object, catch_up: object, pause_on_failure: object, times: object
) -> Policy:
    """What a schedule does in which case; InvalidValueError for what it cannot do."""
    if not isinstance(pause_on_failure, bool):
        raise InvalidValueError(
            f"pause_on_failure must be True or False, not {shown(pause_on_failure)}"
        )
    if times is not None and (
        isinstance(times, bool) or not isinstance(times, int) or not 1 <= times <= 10**9
    ):
        raise InvalidValueError(f"times must be a whole number of at least 1, not {shown(times)}")
    return Policy(
        one_of(Overlap, "overlap", overlap),
        one_of(Missed, "missed", missed),
        _seconds("catch_up", catch_up, 0),
        pause_on_failure,
        times,
    )


_Choice = TypeVar("_Choice", bound=StrEnum)


def one_of(kind: type[_Choice], name: str, value: object) -> _Choice:
    """Return the member that a value names; InvalidValueError lists them."""
    if isinstance(value, str) and value in list(kind):
        return kind(value)
    listed = ", ".join(repr(one.value) for one in kind)
    raise InvalidValueError(f"{name} must be one of {listed}, not {shown(value)}")


def _seconds(name: str, value: object, least: int) -> int:
    seconds: Any = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise InvalidValueError(f"{name} must be seconds or a timedelta, not {shown(value)}")
    if not least <= seconds <= _MOST_SECONDS or seconds != int(seconds):
        raise InvalidValueError(
            f"{name} must be whole seconds, from {least} to {MOST_DAYS} days, not {shown(value)}"
        )
    return int(seconds)


def time_text(time: int) -> str:
    """A nominal time as keys, the history and people have it: ``2026-11-27T01:30:00Z``."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
