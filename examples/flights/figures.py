"""From sums to figures: every division of the job happens here.

``summary`` is what the joining step knows; ``with_weather`` adds what the optional step found.
The page shows nothing that is not in the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from examples.flights.checks import MEANINGS
from examples.flights.partial import Joined
from examples.flights.tally import Flown, Tally, total
from examples.flights.weather import MEASURES, RAIN_CLASSES, rain_class, relation

Figures = dict[str, Any]


def mean(total_value: int, count: int) -> float | None:
    """None where no row has the value: there is no honest number for it."""
    return total_value / count if count else None


def of_tally(tally: Tally) -> Figures:
    return {
        "flights": tally.flights,
        "cancelled": tally.cancelled,
        "late": tally.late,
        "arrived": tally.arrived,
        "mean_dep_delay": mean(tally.dep_delay, tally.departed),
        "mean_arr_delay": mean(tally.arr_delay, tally.arrived),
    }


def of_carrier(tally: Tally) -> Figures:
    return {
        "flights": tally.flights,
        "cancelled": tally.cancelled,
        "mean_arr_delay": mean(tally.arr_delay, tally.arrived),
    }


def of_flown(flown: Flown) -> Figures:
    return {
        "flights": flown.flights,
        "mean_speed": mean(flown.miles * 60, flown.air_minutes),
        "mean_taxi_minutes": mean(flown.taxi_minutes, flown.timed),
        "mean_made_up": mean(flown.made_up, flown.flights),
    }


def summary(joined: Joined, names: Mapping[str, str]) -> Figures:
    whole = total(joined.tables["carrier"])
    carriers = dict(sorted(joined.tables["carrier"].items()))
    return {
        **of_tally(whole),
        "days": len(joined.days),
        "carriers": {code: of_carrier(tally) for code, tally in carriers.items()},
        "carrier_names": {code: names.get(code, code) for code in carriers},
        "carrier_late": {code: tally.late for code, tally in carriers.items()},
        "carrier_arrived": {code: tally.arrived for code, tally in carriers.items()},
        "flown": {code: of_flown(flown) for code, flown in sorted(joined.flown.items())},
        "origins": _table(joined.tables["origin"].items()),
        "hours": _table(sorted(joined.tables["hour"].items(), key=lambda item: item[0].zfill(2))),
        "destinations": _table(joined.tables["dest"].items()),
        "months": _table(months(joined.days).items()),
        "daily": _table(joined.days.items()),
        "quality": quality(joined),
    }


def _table(items: Iterable[tuple[str, Tally]]) -> Figures:
    return {key: of_tally(tally) for key, tally in items}


def months(days: Mapping[str, Tally]) -> dict[str, Tally]:
    found: dict[str, Tally] = {}
    for day, tally in sorted(days.items()):
        found[day[:7]] = found.get(day[:7], Tally()).plus(tally)
    return found


def quality(joined: Joined) -> Figures:
    """Every rule with its count, the ones that found nothing too; a row can break several."""
    return {
        "rejected": joined.rejected,
        "reasons": {reason: joined.reasons.get(reason, 0) for reason in MEANINGS},
        "examples": dict(sorted(joined.examples.items())),
    }


def with_weather(figures: Figures, observed: Mapping[str, Mapping[str, float]]) -> Figures:
    daily = figures["daily"]
    known = [day for day in sorted(daily) if day in observed]
    return {
        **figures,
        "weather": {
            "days": len(known),
            "missing": sorted(set(daily) - set(known)),
            "observed": {day: dict(observed[day]) for day in known},
            "correlations": correlations(daily, observed, known),
            "rain": rain_groups(daily, observed, known),
        },
    }


def correlations(
    daily: Figures, observed: Mapping[str, Mapping[str, float]], known: list[str]
) -> Figures:
    """Of each measure with the mean departure delay, over the days that have both."""
    flown = [day for day in known if daily[day]["mean_dep_delay"] is not None]
    delays = [daily[day]["mean_dep_delay"] for day in flown]
    return {name: relation([observed[day][name] for day in flown], delays) for name in MEASURES}


def rain_groups(
    daily: Figures, observed: Mapping[str, Mapping[str, float]], known: list[str]
) -> list[Figures]:
    """Days by how much it rained: the mean of the days' means, each day weighing the same."""
    groups: dict[str, list[Figures]] = {words: [] for _, words in RAIN_CLASSES}
    for day in known:
        groups[rain_class(observed[day]["rain"])].append(daily[day])
    return [_rain_group(words, days) for words, days in groups.items()]


def _rain_group(words: str, days: list[Figures]) -> Figures:
    delays = [day["mean_dep_delay"] for day in days if day["mean_dep_delay"] is not None]
    return {
        "rain": words,
        "days": len(days),
        "mean_dep_delay": sum(delays) / len(delays) if delays else None,
        "cancelled": sum(day["cancelled"] for day in days),
        "flights": sum(day["flights"] for day in days),
    }
