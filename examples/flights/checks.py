"""What makes a row one that the job does not trust, one rule a reason.

A rejected row is still a flight that was scheduled: it counts in every total and mean, with the
values it has. What it is kept out of is everything derived from several of its columns at once
(speed, taxi time, minutes made up), where a wrong clock would invent a figure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from examples.flights.rows import Flight

DAY = 24 * 60

#: Miles an hour from wheels up to wheels down that an airliner can average. Below: the aircraft
#: was held, or a clock is wrong. Above: no jet stream helps that much.
SPEEDS = (100, 650)

#: Miles. No airline sells a hop shorter than this; the nearest real one here is 80.
SHORTEST = 50

#: Minutes a flight may leave before its time, or after it.
EARLIEST, LATEST = -120, 2 * DAY


class Check(NamedTuple):
    """A rule about one flight. ``meaning`` completes the sentence "the row …"."""

    reason: str
    meaning: str
    fails: Callable[[Flight], bool]


def arrived_without_departure(flight: Flight) -> bool:
    return flight.cancelled and (flight.arr is not None or flight.air_time is not None)


def departed_without_arrival(flight: Flight) -> bool:
    return flight.dep is not None and flight.arr is None


def arrival_incomplete(flight: Flight) -> bool:
    return flight.arr is not None and (flight.arr_delay is None or flight.air_time is None)


def schedule_disagrees(flight: Flight) -> bool:
    return (
        flight.sched_dep is None
        or flight.sched_dep // 60 != flight.hour
        or flight.behind_utc not in (4, 5)
    )


def delay_disagrees(flight: Flight) -> bool:
    return _off(flight.dep, flight.sched_dep, flight.dep_delay) or _off(
        flight.arr, flight.sched_arr, flight.arr_delay
    )


def _off(actual: int | None, scheduled: int | None, delay: int | None) -> bool:
    if actual is None or scheduled is None or delay is None:
        return False
    return (actual - scheduled - delay) % DAY != 0


def delay_implausible(flight: Flight) -> bool:
    return any(
        delay is not None and not EARLIEST <= delay <= LATEST
        for delay in (flight.dep_delay, flight.arr_delay)
    )


def route_impossible(flight: Flight) -> bool:
    return flight.origin == flight.dest or (flight.distance or 0) < SHORTEST


def speed_implausible(flight: Flight) -> bool:
    if flight.air_time is None or flight.distance is None:
        return False
    slowest, fastest = SPEEDS
    hours_times_60 = flight.air_time
    return not slowest * hours_times_60 <= flight.distance * 60 <= fastest * hours_times_60


def gate_time_too_short(flight: Flight) -> bool:
    if flight.gate_minutes is None or flight.air_time is None:
        return False
    return flight.gate_minutes < flight.air_time


CHECKS = (
    Check("departed_without_arrival", "left and has no time of arrival", departed_without_arrival),
    Check(
        "arrival_incomplete",
        "has a time of arrival, but no arrival delay or no air time (as a diverted flight)",
        arrival_incomplete,
    ),
    Check(
        "speed_implausible",
        f"averages under {SPEEDS[0]} or over {SPEEDS[1]} mph in the air",
        speed_implausible,
    ),
    Check(
        "route_impossible",
        f"flies less than {SHORTEST} miles, or to where it started",
        route_impossible,
    ),
    Check("arrived_without_departure", "arrived but never left", arrived_without_departure),
    Check("schedule_disagrees", "has an hour that is not its schedule's", schedule_disagrees),
    Check("delay_disagrees", "has a delay that its two clocks contradict", delay_disagrees),
    Check("delay_implausible", "is hours early or days late", delay_implausible),
    Check(
        "gate_time_too_short",
        "was in the air for longer than from gate to gate, time zones considered",
        gate_time_too_short,
    ),
)

#: Reasons in the order in which the page lists them; some come from reading or comparing rows.
MEANINGS = {check.reason: check.meaning for check in CHECKS} | {
    "bad_clock": "has a time of day that no clock shows",
    "unreadable": "has a field that is not a number",
    "duplicate": "repeats the carrier, flight number, origin and time of another row",
}


def reasons_against(flight: Flight) -> list[str]:
    return [check.reason for check in CHECKS if check.fails(flight)]
