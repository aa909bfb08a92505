"""What the flights of an aircraft add up to, and the form in which its rows wait to be added up.

Integers only: a sum is exact whatever order the rows arrive in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple, Self

from examples.flights.data import FLIGHT_HEADER, MISSING

_NAMES = FLIGHT_HEADER.split(",")
CARRIER, TAIL, AIR_TIME, DISTANCE = (
    _NAMES.index(name) for name in ("carrier", "tailnum", "air_time", "distance")
)


@dataclass
class Sums:
    """Flights, miles and minutes in the air; a flight without an air time adds no minutes."""

    flights: int = 0
    distance: int = 0
    air_time: int = 0

    def add(self, other: Sums) -> None:
        self.flights += other.flights
        self.distance += other.distance
        self.air_time += other.air_time

    @classmethod
    def of_rows(cls, rows: Iterable[str]) -> Self:
        """Of rows as ``by_carrier`` writes them."""
        sums = cls()
        for row in rows:
            _, air_time, distance = row.split(",")
            sums.add(Sums(1, int(distance), 0 if air_time == MISSING else int(air_time)))
        return sums


class Place(NamedTuple):
    """Where the rows of one aircraft are in its carrier's file, in bytes."""

    tail: str
    start: int
    length: int


def by_carrier(lines: Iterable[str]) -> dict[str, str]:
    """The table's rows as text by carrier: ``tail,air_time,distance``, ordered by tail number.

    The lines are cut at the commas and not parsed, so a quoted field, which could hide a comma,
    is refused.
    """
    rows = iter(lines)
    next(rows)
    carriers: dict[str, list[str]] = {}
    for line in rows:
        if '"' in line:
            raise ValueError(f"a quoted field: {line!r}")
        field = line.split(",", DISTANCE + 1)
        row = f"{field[TAIL]},{field[AIR_TIME]},{field[DISTANCE]}\n"
        carriers.setdefault(field[CARRIER], []).append(row)
    return {carrier: "".join(sorted(found)) for carrier, found in sorted(carriers.items())}


def places(rows: Iterable[bytes]) -> Iterator[Place]:
    """Each aircraft of a carrier's file, which is ordered by tail number."""
    start = 0
    for tail, own in groupby(rows, key=lambda row: row.partition(b",")[0]):
        length = sum(map(len, own))
        yield Place(tail.decode("ascii"), start, length)
        start += length
