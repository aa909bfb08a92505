"""The day's weather over the three airports, for a step that the job can do without."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from math import fsum
from statistics import StatisticsError, correlation

from examples.flights.data import MISSING

#: Our name -> the column, and the values that an instrument can have meant. One hour of the real
#: table claims a wind of 1048 mph.
MEASURES: dict[str, tuple[str, float, float]] = {
    "temperature": ("temp", -40.0, 130.0),
    "wind": ("wind_speed", 0.0, 150.0),
    "visibility": ("visib", 0.0, 10.0),
    "humidity": ("humid", 0.0, 100.0),
    "rain": ("precip", 0.0, 5.0),
}

#: Upper bounds of a day's rain in inches, each with the words for it.
RAIN_CLASSES = ((0.0, "dry"), (0.1, "under 0.1 in"), (0.5, "0.1 to 0.5 in"), (99.0, "over 0.5 in"))

Day = Mapping[str, float]


class NoObservationsError(LookupError):
    """No station reported anything that day."""


def day_means(text: str) -> dict[str, float]:
    """Means over the hours of the three airports: °F, mph, miles, %; rain as inches in 24 h."""
    hours = list(csv.DictReader(io.StringIO(text)))
    if not hours:
        raise NoObservationsError
    means = {name: _mean(hours, *measure) for name, measure in MEASURES.items()}
    means["rain"] *= 24
    return {name: round(value, 3) for name, value in means.items()}


def _mean(hours: Sequence[Mapping[str, str]], column: str, low: float, high: float) -> float:
    values = [float(hour[column]) for hour in hours if hour[column] != MISSING]
    plausible = [value for value in values if low <= value <= high]
    if not plausible:
        raise NoObservationsError(f"no plausible {column}")
    return fsum(plausible) / len(plausible)


def rain_class(inches: float) -> str:
    return next(words for bound, words in RAIN_CLASSES if inches <= bound)


def relation(xs: Sequence[float], ys: Sequence[float]) -> float | None:
    """Pearson's r, or None where it is not defined (too few days, or all alike)."""
    try:
        return correlation(xs, ys)
    except StatisticsError:
        return None
