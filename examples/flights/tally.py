"""Counts and sums that add up in any order.

Only integers are summed: a total is exact whatever order the days arrive in and however often a
day is done again. Division comes last, once, in ``figures``.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from examples.flights.rows import Flight

#: Minutes after schedule from which the industry calls an arrival late.
LATE = 15


class Sums:
    """A dataclass of integers, as a list in JSON: the field names would be most of the file."""

    def to_list(self) -> list[int]:
        return list(vars(self).values())

    @classmethod
    def from_list(cls, values: Iterable[int]) -> Self:
        return cls(*values)

    def plus(self, other: Self) -> Self:
        return type(self)(*map(operator.add, vars(self).values(), vars(other).values()))


@dataclass
class Tally(Sums):
    """Over every row; ``departed`` and ``arrived`` count the rows that have the delay."""

    flights: int = 0
    cancelled: int = 0
    dep_delay: int = 0
    departed: int = 0
    arr_delay: int = 0
    arrived: int = 0
    late: int = 0

    def add(self, flight: Flight) -> None:
        self.flights += 1
        self.cancelled += flight.cancelled
        if flight.dep_delay is not None:
            self.dep_delay += flight.dep_delay
            self.departed += 1
        if flight.arr_delay is not None:
            self.arr_delay += flight.arr_delay
            self.arrived += 1
            self.late += flight.arr_delay >= LATE


@dataclass
class Flown(Sums):
    """Over the trusted rows that flew, because these sums compare several columns of a row."""

    flights: int = 0
    miles: int = 0
    air_minutes: int = 0
    made_up: int = 0
    #: Rows whose airports both have a known time zone, and their minutes on the ground.
    timed: int = 0
    taxi_minutes: int = 0

    def add(self, flight: Flight) -> None:
        if flight.air_time is None or flight.distance is None:
            return
        self.flights += 1
        self.miles += flight.distance
        self.air_minutes += flight.air_time
        self.made_up += (flight.dep_delay or 0) - (flight.arr_delay or 0)
        if flight.gate_minutes is not None:
            self.timed += 1
            self.taxi_minutes += flight.gate_minutes - flight.air_time


#: Dimension -> key -> tally, as {"carrier": {"UA": Tally(…)}}.
Tables = dict[str, dict[str, Tally]]

DIMENSIONS = ("carrier", "origin", "hour", "dest")


def tabulate(flights: Iterable[Flight]) -> Tables:
    tables: Tables = {dimension: {} for dimension in DIMENSIONS}
    for flight in flights:
        keys = (flight.carrier, flight.origin, str(flight.hour), flight.dest)
        for table, key in zip(tables.values(), keys, strict=True):
            tally = table.get(key)
            if tally is None:
                tally = table[key] = Tally()
            tally.add(flight)
    return tables


def total(table: Mapping[str, Tally]) -> Tally:
    """Every flight has one key in each table, so any table adds up to the whole."""
    whole = Tally()
    for tally in table.values():
        whole = whole.plus(tally)
    return whole


def flown_by_carrier(flights: Iterable[Flight]) -> dict[str, Flown]:
    table: dict[str, Flown] = {}
    for flight in flights:
        table.setdefault(flight.carrier, Flown()).add(flight)
    return table
