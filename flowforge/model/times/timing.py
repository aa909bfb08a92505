"""At which times a schedule starts jobs: a cron pattern in a time zone, or an interval.

Times are whole seconds since 1970. cronsim finds which times on the clock's face a pattern means;
what a zone makes of them is found here, since cronsim loses times where a clock changes by half an
hour.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError

from flowforge.common.bounded_repr import shown
from flowforge.common.lru_cache import Recent
from flowforge.errors import InvalidValueError

#: Seconds. No zone changes its clock twice within a day.
_DAY = 86_400

#: Times after this have no datetime any more.
_LAST = datetime(9000, 1, 1, tzinfo=UTC).timestamp()

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - what a clock shows has no zone

_zones: Recent[str, tzinfo] = Recent(64)


class Timing(NamedTuple):
    """``cron`` in ``timezone``, or ``every`` so many seconds from 1970 on, ``offset`` later.

    ``jitter``: seconds by which a start is put off at most.
    """

    cron: str = ""
    every: int = 0
    offset: int = 0
    timezone: str = "UTC"
    jitter: int = 0

    def fields(self) -> dict[str, str | int]:
        """Each of them by its name."""
        return {
            "cron": self.cron,
            "every": self.every,
            "offset": self.offset,
            "timezone": self.timezone,
            "jitter": self.jitter,
        }

    def after(self, time: int) -> int | None:
        """The next time behind this one; None: there is none.

        InvalidValueError for a pattern or zone that this process cannot read.
        """
        if self.every:
            return (time - self.offset) // self.every * self.every + self.every + self.offset
        found = _cron_after(self.cron, zone_of(self.timezone), time)
        return None if found is None or found > _LAST else found

    def times(self, after: int) -> Iterator[int]:
        """All times behind this one, in their order."""
        found = self.after(after)
        while found is not None:
            yield found
            found = self.after(found)

    def starts_at(self, name: str, time: int) -> int:
        """When the schedule of this name starts the job for a time, in ms: never past the next."""
        if not self.jitter:
            return time * 1000
        following = self.after(time)
        most = self.jitter * 1000
        if following is not None:
            most = min(most, (following - time) * 1000)
        digest = hashlib.sha256(f"{name}/{time}".encode("utf-8", "backslashreplace")).digest()
        return time * 1000 + int.from_bytes(digest[:8], "big") % most

    def describe(self) -> str:
        """As people read it."""
        if not self.every:
            return f"{self.cron} ({self.timezone})"
        offset = f" and {self.offset} s" if self.offset else ""
        return f"every {self.every} s{offset}"


def zone_of(name: str) -> tzinfo:
    """A time zone by its IANA name; InvalidValueError says what to do."""
    if name == "UTC":
        return UTC
    found = _zones.get(name)
    return _zones.add(name, _read_zone(name)) if found is None else found


def _read_zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        if not available_timezones():
            raise InvalidValueError(
                f"time zone {shown(name)} is not known here, since this system has no time zone "
                "data: install it, with `pip install tzdata` or the system's package tzdata, on "
                "every worker and where schedules are saved"
            ) from error
        raise InvalidValueError(
            f"there is no time zone {shown(name)}: use a name such as 'Europe/Zurich' or 'UTC'"
        ) from error


def checked_cron(pattern: object) -> str:
    """Return a cron pattern of five fields that some time fits; InvalidValueError."""
    if not isinstance(pattern, str) or len(pattern) > 200:
        raise InvalidValueError(f"cron must be text such as '30 2 * * *', not {shown(pattern)}")
    fields = pattern.split()
    if len(fields) != 5:
        raise InvalidValueError(
            f"cron {shown(pattern)} has {len(fields)} fields; it must have five: minute, hour, day "
            "of the month, month, day of the week. For seconds there is every="
        )
    text = " ".join(fields)
    try:
        found = next(CronSim(text, _EPOCH), None)
    except CronSimError as error:
        raise InvalidValueError(f"cron {shown(pattern)}: {error}") from error
    if found is None:
        raise InvalidValueError(f"cron {shown(pattern)} fits no day of 50 years")
    return text


def _cron_after(pattern: str, zone: tzinfo, time: int) -> int | None:
    try:
        minute, hour, *_ = pattern.split()
        if zone is UTC or minute.startswith("*") or hour.startswith("*"):
            return _repeated_after(pattern, zone, time)
        return _fixed_after(pattern, zone, time)
    except (CronSimError, ValueError) as error:
        raise InvalidValueError(f"cron {shown(pattern)}: {error}") from error


def _fixed_after(pattern: str, zone: tzinfo, time: int) -> int | None:
    """Of a pattern that names hours and minutes: a time that the clock leaves out is moved behind
    the change, one that it shows twice is meant the first time.
    """
    for shows in _shown_after(pattern, time + _offset(zone, time)):
        found = _instant(zone, shows)
        # The clock was set back: what it shows for the second time is over.
        if found > time:
            return found
    return None


def _repeated_after(pattern: str, zone: tzinfo, time: int) -> int | None:
    """Of a pattern with a ``*`` in hours or minutes: whatever the clock shows, as often as it does.

    ``since``: from when on the clock has the offset that is looked at.
    """
    since = time
    while True:
        offset = _offset(zone, since)
        shows = next(_shown_after(pattern, time + offset), None)
        if shows is None:
            return None
        found = shows - offset
        change = _change(zone, since, found)
        if change is None:
            return found
        time, since = change - 1, change


def _shown_after(pattern: str, shows: int) -> Iterator[int]:
    """What a clock shows, in seconds, at the times of the pattern."""
    for found in CronSim(pattern, _EPOCH + timedelta(seconds=shows)):
        yield int((found - _EPOCH).total_seconds())


def _offset(zone: tzinfo, time: int) -> int:
    offset = datetime.fromtimestamp(time, zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def _instant(zone: tzinfo, shows: int) -> int:
    """When the clock shows this for the first time, or is past it."""
    clock = (_EPOCH + timedelta(seconds=shows)).replace(tzinfo=zone)
    found = int(clock.timestamp())
    if found + _offset(zone, found) == shows:
        return found
    # It was taken to be as before the change, which has come by then.
    change = _change(zone, found - _DAY, found)
    return found if change is None else change


def _change(zone: tzinfo, start: int, end: int) -> int | None:
    """The first time behind ``start``, up to ``end``, at which the clock has another offset."""
    offset, low = _offset(zone, start), start
    while low < end:
        high = min(low + _DAY, end)
        if _offset(zone, high) != offset:
            while high - low > 1:
                middle = (low + high) // 2
                if _offset(zone, middle) == offset:
                    low = middle
                else:
                    high = middle
            return high
        low = high
    return None
