"""The sections of the page, in reading order: each a function from the figures to HTML."""

from __future__ import annotations

from html import escape
from typing import Any

from examples.flights import charts
from examples.flights.charts import Bar, Dot, words
from examples.flights.checks import MEANINGS
from examples.flights.tables import cell, minutes, row, share, table

Figures = dict[str, Any]

#: An hour of the day needs this many flights for its mean to say something.
ENOUGH = 50

WORST, DESTINATIONS = 10, 12


def section(title: str, *parts: str, kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f"<section{attribute}><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def note(html: str) -> str:
    return f'<p class="note">{html}</p>'


def every_day(figures: Figures) -> str:
    key = (
        '<span class="key flew"></span>flew <span class="key lost"></span>cancelled; '
        "point at a day for its figures."
    )
    plot = charts.days(figures["daily"], "Flights scheduled and cancelled on each day")
    return section("Flights, day by day", note(key), plot, kind="wide")


def delays(figures: Figures) -> str:
    plot = charts.calendar(figures["daily"], "Mean departure delay of each day, as a calendar")
    return section(
        "When leaving was late",
        note("The mean departure delay of each day; every square is a day, every column a week."),
        plot,
        kind="wide",
    )


def seasons_and_hours(figures: Figures) -> str:
    months = [
        Bar(charts.MONTHS[int(month[5:7]) - 1], found["mean_dep_delay"], _said(month, found))
        for month, found in figures["months"].items()
    ]
    hours = [
        Bar(hour, found["mean_dep_delay"], _said(f"{hour}:00", found))
        for hour, found in figures["hours"].items()
        if found["flights"] >= ENOUGH
    ]
    return section(
        "The month matters, the hour matters more",
        note("Mean departure delay in minutes. Delays pile up through the day."),
        '<div class="pair"><div><h3>By month</h3>',
        charts.columns(months, "Mean departure delay by month"),
        "</div><div><h3>By scheduled hour of departure</h3>",
        charts.columns(hours, "Mean departure delay by scheduled hour"),
        "</div></div>",
    )


def _said(name: str, found: Figures) -> str:
    return f"{name}: {minutes(found['mean_dep_delay'])} minutes, {found['flights']:,} flights"


def carriers(figures: Figures) -> str:
    found = figures["carriers"]
    busiest = max((one["flights"] for one in found.values()), default=0)
    latest = max((abs(one["mean_arr_delay"] or 0.0) for one in found.values()), default=0.0)
    order = sorted(found, key=lambda code: -found[code]["flights"])
    heads = ("Carrier", "Flights", "", "Cancelled", "Punctual", "Arrival delay, min", "", "Made up")
    caption = (
        "Punctual: arrived less than 15 minutes late. Made up: minutes gained between departure "
        "and arrival, over the flights whose record passed every check."
    )
    rows = [_carrier(code, figures, busiest, latest) for code in order]
    return section("Carriers", table(caption, heads, rows))


def _carrier(code: str, figures: Figures, busiest: int, latest: float) -> str:
    found, arrived = figures["carriers"][code], figures["carrier_arrived"][code]
    delay = found["mean_arr_delay"]
    made_up = figures["flown"].get(code, {}).get("mean_made_up")
    return row(
        f"{escape(figures['carrier_names'][code])} <small>{escape(code)}</small>",
        cell(f"{found['flights']:,}"),
        cell(charts.meter(found["flights"], busiest, "flew"), "plot"),
        cell(share(found["cancelled"], found["flights"])),
        cell(share(arrived - figures["carrier_late"][code], arrived)),
        cell(minutes(delay)),
        cell(charts.meter(delay, latest, "late" if (delay or 0) >= 0 else "early"), "plot"),
        cell(minutes(made_up)),
    )


def worst_days(figures: Figures) -> str:
    daily = figures["daily"]
    ranked = sorted(
        (day for day in daily if daily[day]["mean_dep_delay"] is not None),
        key=lambda day: (-daily[day]["mean_dep_delay"], day),
    )[:WORST]
    rows = [_worst(day, daily[day], figures["weather"]["observed"].get(day)) for day in ranked]
    heads = ("Day", "Flights", "Cancelled", "Mean delay, min", "Rain, in", "Wind, mph", "Sight, mi")
    caption = "The days with the largest mean departure delay, and what the weather was."
    return section("The worst days", table(caption, heads, rows))


def _worst(day: str, found: Figures, weather: Figures | None) -> str:
    seen = [minutes(weather[name] if weather else None) for name in ("rain", "wind", "visibility")]
    return row(
        words(day),
        cell(f"{found['flights']:,}"),
        cell(f"{found['cancelled']:,}"),
        cell(minutes(found["mean_dep_delay"])),
        *map(cell, seen),
    )


def places(figures: Figures) -> str:
    origins = sorted(figures["origins"].items(), key=lambda item: -item[1]["flights"])
    busiest = sorted(figures["destinations"].items(), key=lambda item: -item[1]["flights"])
    heads = ("Airport", "Flights", "Cancelled", "Left late", "Arrived late")
    from_table = table(
        "Where flights started; delays are means in minutes.",
        heads,
        (_place(*item) for item in origins),
    )
    to_table = table(
        f"The {min(DESTINATIONS, len(busiest))} busiest of {len(busiest)} destinations.",
        heads,
        (_place(*item) for item in busiest[:DESTINATIONS]),
    )
    return section("From and to", f'<div class="pair">{from_table}{to_table}</div>')


def _place(code: str, found: Figures) -> str:
    return row(
        escape(code),
        cell(f"{found['flights']:,}"),
        cell(share(found["cancelled"], found["flights"])),
        cell(minutes(found["mean_dep_delay"])),
        cell(minutes(found["mean_arr_delay"])),
    )


def weather(figures: Figures) -> str:
    found = figures["weather"]
    if not found["observed"]:
        return section("Weather", note("The weather step found no observations."))
    daily = figures["daily"]
    dots = [
        Dot(seen["visibility"], daily[day]["mean_dep_delay"], _weather_said(day, seen, daily[day]))
        for day, seen in found["observed"].items()
        if daily[day]["mean_dep_delay"] is not None
    ]
    return section(
        "What the weather did",
        note(_correlation(found)),
        '<div class="pair"><div><h3>Mean departure delay against visibility</h3>',
        charts.scatter(dots, "Delay against visibility", "mean visibility, miles"),
        "</div><div>",
        _rain(found["rain"]),
        "</div></div>",
    )


def _weather_said(day: str, seen: Figures, found: Figures) -> str:
    delay = minutes(found["mean_dep_delay"])
    return f"{words(day)}: visibility {seen['visibility']:.1f} miles, delay {delay} minutes"


def _correlation(found: Figures) -> str:
    known = {name: r for name, r in found["correlations"].items() if r is not None}
    ranked = sorted(known, key=lambda name: -abs(known[name]))
    listed = ", ".join(f"{name} {minutes(known[name], 2)}" for name in ranked)
    missing = ", ".join(found["missing"][:5]) or "none"
    return (
        f"Correlation of a day's mean departure delay with its weather: {listed or 'undefined'}. "
        f"Observations exist for {found['days']:,} days; without any: {missing}"
        f"{' and more' if len(found['missing']) > 5 else ''}."
    )


def _rain(groups: list[Figures]) -> str:
    rows = [
        row(
            escape(group["rain"]),
            cell(f"{group['days']:,}"),
            cell(minutes(group["mean_dep_delay"])),
            cell(share(group["cancelled"], group["flights"])),
        )
        for group in groups
    ]
    caption = "Days by rainfall: the mean of the days' departure delays, and what was cancelled."
    return table(caption, ("Rain", "Days", "Delay, min", "Cancelled"), rows)


def quality(figures: Figures) -> str:
    found = figures["quality"]
    rows = [
        row(
            f"<code>{escape(reason)}</code>",
            cell(f"The row {escape(MEANINGS[reason])}.", "words"),
            cell(f"{count:,}"),
            kind="" if count else "quiet",
        )
        for reason, count in found["reasons"].items()
    ]
    intro = (
        f"{found['rejected']:,} rows ({share(found['rejected'], figures['flights'])}) broke a rule "
        "and went to quarantine. They are flights all the same: they count in every total and "
        "mean above with the values they have, and are kept out only of the minutes made up."
    )
    rules = table("The rules, and how many rows broke each.", ("Reason", "<Rule", "Rows"), rows)
    return section("How good the data is", note(intro), rules, _examples(found["examples"]))


def _examples(examples: dict[str, list[list[str]]]) -> str:
    rows = [
        row(
            f"<code>{escape(reason)}</code>", cell(f"<code>{escape(','.join(one))}</code>", "words")
        )
        for reason, shown in examples.items()
        for one in shown
    ]
    if not rows:
        return ""
    shown = table(
        "The first rows of each kind, as they are in the source.", ("Reason", "<Row"), rows
    )
    return f"<details><summary>Show rejected rows</summary>{shown}</details>"


ALL = (every_day, delays, seasons_and_hours, carriers, worst_days, weather, places, quality)
