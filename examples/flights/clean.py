"""One day's source rows, sorted into those that add up and those that do not."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from examples.flights.checks import DAY, reasons_against
from examples.flights.data import FLIGHT_HEADER
from examples.flights.rows import Flight, parse

#: The origin's clock is this many hours behind UTC while daylight saving is on.
SUMMER_OFFSET = 4


class Zone(NamedTuple):
    """An airport's hours ahead of UTC in winter, and whether it observes daylight saving."""

    winter: int
    summer_time: bool


class Rejected(NamedTuple):
    """A source row as it was, what could be read of it, and what is wrong with it."""

    fields: tuple[str, ...]
    flight: Flight
    reasons: tuple[str, ...]


@dataclass
class SortedDay:
    rows: list[Flight] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


def load_zones(airports: Path) -> dict[str, Zone]:
    """By airport code. The package's list lacks San Juan and three more island airports."""
    with airports.open(encoding="utf-8", newline="") as file:
        return {row["faa"]: Zone(int(row["tz"]), row["dst"] == "A") for row in csv.DictReader(file)}


def gate_minutes(flight: Flight, zones: Mapping[str, Zone]) -> int | None:
    """Minutes from gate to gate: the difference of two local clocks, time zones removed."""
    zone = zones.get(flight.dest)
    if zone is None or flight.dep is None or flight.arr is None or flight.behind_utc is None:
        return None
    summer = flight.behind_utc == SUMMER_OFFSET and zone.summer_time
    ahead_of_origin = zone.winter + summer + flight.behind_utc
    return (flight.arr - flight.dep - ahead_of_origin * 60) % DAY


def sort_day(text: str, zones: Mapping[str, Zone]) -> SortedDay:
    """Every row of the day goes to exactly one side, so the two sides add up to the day."""
    source = csv.reader(io.StringIO(text))
    next(source)
    day = SortedDay()
    seen: set[tuple[str, str, str, int | None]] = set()
    for fields in source:
        flight, reasons = parse(fields)
        flight = flight._replace(gate_minutes=gate_minutes(flight, zones))
        key = (flight.carrier, flight.number, flight.origin, flight.sched_dep)
        if key in seen:
            reasons.append("duplicate")
        seen.add(key)
        reasons += reasons_against(flight)
        if reasons:
            day.rejected.append(Rejected(tuple(fields), flight, tuple(reasons)))
        else:
            day.rows.append(flight)
    return day


def write_rejected(rejected: Iterable[Rejected]) -> str:
    """The source's own columns with ``reasons`` behind them, for a person to open."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow([*FLIGHT_HEADER.split(","), "reasons"])
    out.writerows([*row.fields, " ".join(row.reasons)] for row in rejected)
    return text.getvalue()


def read_rejected(text: str) -> list[Rejected]:
    rows = csv.reader(io.StringIO(text))
    next(rows)
    return [
        Rejected(tuple(fields), parse(fields)[0], tuple(reasons.split()))
        for *fields, reasons in rows
    ]
