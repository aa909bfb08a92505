"""A flight as the routines see it: typed, clocks in minutes, and what could not be read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from examples.flights.data import MISSING


class Flight(NamedTuple):
    """Clocks are minutes after local midnight, delays and times minutes, distance miles."""

    carrier: str
    number: str
    origin: str
    dest: str
    cancelled: bool
    hour: int | None
    sched_dep: int | None
    dep: int | None
    dep_delay: int | None
    sched_arr: int | None
    arr: int | None
    arr_delay: int | None
    air_time: int | None
    distance: int | None
    #: How many hours the origin's clock is behind UTC: 4 in summer, 5 in winter.
    behind_utc: int | None
    #: From gate to gate, by the clocks of both airports; None when one of them is unknown.
    gate_minutes: int | None = None


class Reader:
    """Reads one source row, and collects the reasons why parts of it make no sense."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def number(self, text: str) -> int | None:
        if text == MISSING:
            return None
        try:
            return int(text)
        except ValueError:
            self.reasons.append("unreadable")
            return None

    def clock(self, text: str) -> int | None:
        """Minutes after midnight of ``hhmm`` without leading zeros; 2400 is a day's end."""
        value = self.number(text)
        if value is None:
            return None
        hours, minutes = divmod(value, 100)
        if minutes > 59 or not 0 <= hours * 60 + minutes <= 24 * 60:
            self.reasons.append("bad_clock")
            return None
        return hours * 60 + minutes

    def behind_utc(self, time_hour: str, hour: int | None) -> int | None:
        """From the row's own UTC hour, so that daylight saving needs no calendar here."""
        utc = time_hour[11:13]
        if hour is None or not utc.isdigit() or not time_hour.endswith("Z"):
            self.reasons.append("unreadable")
            return None
        return (int(utc) - hour) % 24


def parse(fields: Sequence[str]) -> tuple[Flight, list[str]]:
    """The flight of a source row of all 19 columns, and why parts of it cannot be read."""
    dep, sched_dep, dep_delay, arr, sched_arr, arr_delay = fields[3:9]
    carrier, number, _tail, origin, dest, air_time, distance, hour_text = fields[9:17]
    read = Reader()
    hour = read.number(hour_text)
    flight = Flight(
        carrier,
        number,
        origin,
        dest,
        dep == MISSING,
        hour,
        read.clock(sched_dep),
        read.clock(dep),
        read.number(dep_delay),
        read.clock(sched_arr),
        read.clock(arr),
        read.number(arr_delay),
        read.number(air_time),
        read.number(distance),
        read.behind_utc(fields[18], hour),
    )
    return flight, list(dict.fromkeys(read.reasons))


def write_flights(flights: Iterable[Flight]) -> str:
    """CSV with a header; a missing number is an empty field."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(Flight._fields)
    out.writerows(flights)
    return text.getvalue()


def read_flights(text: str) -> list[Flight]:
    rows = csv.reader(io.StringIO(text))
    next(rows)
    return [_restore(row) for row in rows]


def _restore(row: list[str]) -> Flight:
    carrier, number, origin, dest, cancelled, *rest = row
    numbers = [int(value) if value else None for value in rest]
    return Flight(carrier, number, origin, dest, cancelled == "True", *numbers)
