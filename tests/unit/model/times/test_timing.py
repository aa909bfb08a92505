"""Times of schedules, compared with every minute of two years as ``zoneinfo`` shows it."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest

from flowforge.common.lru_cache import Recent
from flowforge.errors import InvalidValueError
from flowforge.model.times import timing as module
from flowforge.model.times.timing import Timing, checked_cron, zone_of

START = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
END = int(datetime(2028, 1, 1, tzinfo=UTC).timestamp())

#: Clocks that change by an hour on both sides of the equator, by half an hour, at a quarter to
#: three, and around Ramadan.
ZONES = [
    "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Pacific/Chatham",
    "Africa/Casablanca",
]  # fmt: skip

#: No zone changes its clock at another time.
QUARTER = 900

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - what a clock shows


@cache
def quarters(zone: str) -> list[tuple[int, int]]:
    """Each quarter of an hour, and what the clock shows then, in seconds."""
    info = ZoneInfo(zone)
    found = []
    for time in range(START - 86_400, END + 86_400, QUARTER):
        offset = datetime.fromtimestamp(time, info).utcoffset()
        assert offset is not None
        found.append((time, time + int(offset.total_seconds())))
    return found


def minutes(zone: str, wanted: set[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The minutes at which the clock shows one of these hours and minutes, and what it shows."""
    behind: dict[int, list[int]] = {}
    for hour, minute in sorted(wanted):
        behind.setdefault(hour * 3600 + minute // 15 * QUARTER, []).append(minute % 15 * 60)
    for time, shows in quarters(zone):
        for more in behind.get(shows % 86_400, ()):
            yield time + more, shows + more


def clock(shows: int) -> datetime:
    return EPOCH + timedelta(seconds=shows)


def shown(zone: str, wanted: set[tuple[int, int]]) -> list[int]:
    """All minutes at which the clock shows one of these hours and minutes."""
    return [time for time, _ in minutes(zone, wanted) if START < time < END]


def meant(zone: str, wanted: set[tuple[int, int]], weekdays: set[int]) -> list[int]:
    """One minute for each of these on each day: the first, or the first behind the change."""
    times = {hour * 3600 + minute * 60 for hour, minute in wanted}
    first: dict[int, int] = {}
    for time, shows in minutes(zone, wanted):
        first.setdefault(shows, time)
    for (_, before), (time, after) in pairwise(quarters(zone)):
        left_out = range(before + QUARTER, after, 60)
        first.update({shows: time for shows in left_out if shows % 86_400 in times})
    found = {time for shows, time in first.items() if clock(shows).weekday() in weekdays}
    return sorted(time for time in found if START < time < END)


def computed(cron: str, zone: str) -> list[int]:
    times = Timing(cron, timezone=zone).times(START)
    return list(takewhile(lambda time: time < END, times))


EVERY_DAY = set(range(7))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("cron", "wanted", "weekdays"),
    [
        ("30 2 * * *", {(2, 30)}, EVERY_DAY),
        ("0,30 2 * * *", {(2, 0), (2, 30)}, EVERY_DAY),
        ("15 1-3 * * *", {(1, 15), (2, 15), (3, 15)}, EVERY_DAY),
        ("0 0 * * *", {(0, 0)}, EVERY_DAY),
        ("50 2 * * SUN", {(2, 50)}, {6}),
        ("15 3 * * MON-FRI", {(3, 15)}, set(range(5))),
    ],
)
def test_an_hour_and_minute_come_once_a_day(
    zone: str, cron: str, wanted: set[tuple[int, int]], weekdays: set[int]
) -> None:
    """What the clock leaves out comes behind its change, what it shows twice the first time."""
    assert computed(cron, zone) == meant(zone, wanted, weekdays)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("cron", "wanted"),
    [
        ("0 * * * *", {(hour, 0) for hour in range(24)}),
        ("*/15 3 * * *", {(3, minute) for minute in range(0, 60, 15)}),
        ("*/20 2 * * *", {(2, minute) for minute in range(0, 60, 20)}),
        ("45 */2 * * *", {(hour, 45) for hour in range(0, 24, 2)}),
    ],
)
def test_a_star_keeps_every_real_hour(zone: str, cron: str, wanted: set[tuple[int, int]]) -> None:
    """Each time that the clock shows what the pattern has."""
    assert computed(cron, zone) == shown(zone, wanted)


def test_a_time_that_begins_in_the_repeated_hour() -> None:
    """02:30 was shown before, so it comes on the next day."""
    again = int(datetime(2026, 10, 25, 1, 10, tzinfo=UTC).timestamp())
    found = Timing("30 2 * * *", timezone="Europe/Zurich").after(again)
    assert found == int(datetime(2026, 10, 26, 1, 30, tzinfo=UTC).timestamp())


def test_an_interval_counts_from_1970() -> None:
    """Whoever computes it, and whenever."""
    timing = Timing("", 900, 60)
    assert [timing.after(time) for time in (0, 59, 60, 61, 960)] == [60, 60, 960, 960, 1860]


def test_jitter_is_the_same_for_the_same_time_and_never_past_the_next() -> None:
    """Different times differ."""
    timing = Timing("", 60, jitter=3600)
    starts = [timing.starts_at("s", time) - time * 1000 for time in range(0, 6000, 60)]
    assert starts == [timing.starts_at("s", time) - time * 1000 for time in range(0, 6000, 60)]
    assert all(0 <= one < 60_000 for one in starts)
    assert len(set(starts)) > 90
    assert Timing("", 60).starts_at("s", 60) == 60_000


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("* * * *", "has 4 fields"),
        ("0 30 2 * * *", "has 6 fields"),
        ("61 * * * *", "Bad minute"),
        ("0 0 30 2 *", "Bad day-of-month"),
        ("0 0 31 4,6 MON#5,TUE#9", "Bad day-of-week"),
        (5, "must be text"),
    ],
)
def test_a_pattern_that_cannot_be(pattern: object, why: str) -> None:
    """The error says which and why."""
    with pytest.raises(InvalidValueError, match=why):
        checked_cron(pattern)


def test_a_zone_that_there_is_not() -> None:
    """Also one that could name a file."""
    for name in ("Europe/Zurick", "../etc/passwd", ""):
        with pytest.raises(InvalidValueError, match="there is no time zone"):
            zone_of(name)


def test_a_system_without_time_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install; UTC needs nothing."""
    monkeypatch.setattr(module, "available_timezones", frozenset)
    monkeypatch.setattr(zoneinfo, "TZPATH", ())
    monkeypatch.setattr(module, "ZoneInfo", lambda name: ZoneInfo(f"none/{name}"))
    monkeypatch.setattr(module, "_zones", Recent(4))
    with pytest.raises(InvalidValueError, match="pip install tzdata"):
        zone_of("Europe/Zurich")
    assert zone_of("UTC") is UTC
