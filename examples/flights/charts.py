"""The page's plots, each a function from figures to SVG. Colours are the page's CSS classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from examples.flights.svg import Scale, element, frame, grid, hint, signed, text

WIDTH = 960
LEFT, RIGHT = 56, 12

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

#: Lower bounds in minutes of the calendar's classes above the first, each one a darker shade.
SHADES = (0.0, 10.0, 20.0, 35.0, 50.0)
SHADE_WORDS = ("early", "0 to 10", "10 to 20", "20 to 35", "35 to 50", "over 50")

Daily = Mapping[str, Mapping[str, Any]]


class Bar(NamedTuple):
    """``value`` None draws an empty place: no row had the value."""

    label: str
    value: float | None
    note: str


def columns(bars: Sequence[Bar], title: str, *, width: int = 470, height: int = 240) -> str:
    """One bar a label, with its value above or, for a negative one, below it."""
    bottom = height - 26
    values = [bar.value for bar in bars if bar.value is not None]
    scale = Scale([0.0, *values], bottom, 18)
    step = (width - LEFT - RIGHT) / max(len(bars), 1)
    marks = [grid(scale, LEFT, width - RIGHT)]
    for index, bar in enumerate(bars):
        marks.append(_column(bar, LEFT + index * step, step, scale, bottom))
    said = ", ".join(bar.note for bar in bars if bar.value is not None)
    return frame(width, height, title, said, *marks)


def _column(bar: Bar, left: float, step: float, scale: Scale, bottom: float) -> str:
    middle = left + step / 2
    label = text(middle, bottom + 18, bar.label, "tick")
    if bar.value is None:
        return label
    top, zero = scale(max(bar.value, 0)), scale(min(bar.value, 0))
    above = top - 5 if bar.value >= 0 else zero + 13
    shape = element(
        "rect",
        hint(bar.note),
        x=left + step * 0.14,
        y=top,
        width=step * 0.72,
        height=max(zero - top, 0.5),
        rx=2,
        class_="late" if bar.value >= 0 else "early",
    )
    return shape + text(middle, above, signed(f"{bar.value:.0f}"), "value") + label


def days(daily: Daily, title: str, height: int = 250) -> str:
    """Every day of the year as one thin bar: what flew, and on its foot what was cancelled."""
    bottom = height - 26
    scale = Scale([0.0, *(day["flights"] for day in daily.values())], bottom, 14)
    step = (WIDTH - LEFT - RIGHT) / max(len(daily), 1)
    marks = [grid(scale, LEFT, WIDTH - RIGHT)]
    for index, (day, figures) in enumerate(daily.items()):
        marks.append(_day(day, figures, LEFT + index * step, step, scale))
        if day.endswith("-01"):
            month = MONTHS[int(day[5:7]) - 1]
            marks.append(text(LEFT + index * step, bottom + 18, month, "tick", "start"))
    marks.append(_worst_label(daily, step, scale))
    return frame(WIDTH, height, title, _said_of_days(daily), *marks)


def _worst_label(daily: Daily, step: float, scale: Scale) -> str:
    """Names the day that lost most, above its bar, on the side that has room."""
    worst = max(daily, key=lambda day: daily[day]["cancelled"], default=None)
    if worst is None:
        return ""
    x = LEFT + (list(daily).index(worst) + 0.5) * step
    side, anchor = (6, "start") if x < WIDTH / 2 else (-6, "end")
    top = scale(scale.ticks[-1])
    line = element("line", x1=x, x2=x, y1=top, y2=scale(daily[worst]["flights"]), class_="zero")
    label = f"{words(worst)}: {daily[worst]['cancelled']:,} cancelled"
    return line + text(x + side, top + 10, label, "value", anchor)


def _day(day: str, figures: Mapping[str, Any], left: float, step: float, scale: Scale) -> str:
    note = f"{words(day)}: {figures['flights']:,} flights, {figures['cancelled']:,} cancelled"
    zero, lost, top = scale(0), scale(figures["cancelled"]), scale(figures["flights"])
    box = {"x": left, "width": max(step - 0.4, 0.6)}
    return element(
        "g",
        hint(note),
        element("rect", **box, y=top, height=lost - top, class_="flew"),
        element("rect", **box, y=lost, height=zero - lost, class_="lost"),
    )


def _said_of_days(daily: Daily) -> str:
    busiest = max(daily, key=lambda day: daily[day]["flights"], default="")
    worst = max(daily, key=lambda day: daily[day]["cancelled"], default="")
    if not busiest:
        return "No days"
    return (
        f"The busiest day was {words(busiest)} with {daily[busiest]['flights']} flights; most were "
        f"cancelled on {words(worst)}: {daily[worst]['cancelled']} of {daily[worst]['flights']}"
    )


def calendar(daily: Daily, title: str) -> str:
    """A column a week, a row a weekday, shaded by the day's mean departure delay."""
    first = min(map(date.fromisoformat, daily), default=date(2013, 1, 1))
    offset = first.weekday()
    cell, left, top = 16.6, 44, 24
    marks = [
        text(left - 8, top + row * cell + 12, name, "tick", "end")
        for row, name in ((0, "Mon"), (2, "Wed"), (4, "Fri"), (6, "Sun"))
    ]
    for day, figures in daily.items():
        when = date.fromisoformat(day)
        week, row = divmod((when - first).days + offset, 7)
        x, y = left + week * cell, top + row * cell
        marks.append(_cell(day, figures["mean_dep_delay"], x, y, cell - 2))
        if when.day == 1:
            marks.append(text(x, top - 8, MONTHS[when.month - 1], "tick", "start"))
    marks.append(_legend(left, top + 7 * cell + 14))
    return frame(WIDTH, 176, title, "Shades from early to over 50 minutes late", *marks)


def _cell(day: str, delay: float | None, x: float, y: float, size: float) -> str:
    if delay is None:
        note, kind = f"{words(day)}: nothing left", "shade-none"
    else:
        note, kind = f"{words(day)}: {delay:.1f} minutes", f"shade-{shade(delay)}"
    return element("rect", hint(note), x=x, y=y, width=size, height=size, rx=3, class_=kind)


def shade(delay: float) -> int:
    return sum(delay >= bound for bound in SHADES)


def _legend(left: float, top: float) -> str:
    marks = [text(left, top + 12, "Minutes late", "tick", "start")]
    for index, name in enumerate(SHADE_WORDS):
        x = left + 92 + index * 96
        kind = f"shade-{index}"
        marks.append(element("rect", x=x, y=top, width=14.6, height=14.6, rx=3, class_=kind))
        marks.append(text(x + 21, top + 12, name, "tick", "start"))
    return "".join(marks)


class Dot(NamedTuple):
    x: float
    y: float
    note: str


def scatter(dots: Sequence[Dot], title: str, across: str, *, width: int = 470) -> str:
    """A dot a day; ``across`` names the horizontal axis, the vertical one is minutes."""
    height = 280
    bottom = height - 44
    vertical = Scale([0.0, *(dot.y for dot in dots)], bottom, 14)
    horizontal = Scale([dot.x for dot in dots], LEFT, width - RIGHT - 8)
    marks = [grid(vertical, LEFT, width - RIGHT)]
    marks += [text(horizontal(at), bottom + 18, f"{at:g}", "tick") for at in horizontal.ticks]
    marks.append(text((LEFT + width) / 2, bottom + 38, across, "tick"))
    for dot in dots:
        x, y = horizontal(dot.x), vertical(dot.y)
        marks.append(element("circle", hint(dot.note), cx=x, cy=y, r=3.2, class_="dot"))
    return frame(width, height, title, f"{len(dots)} days", *marks)


def meter(value: float | None, largest: float, kind: str) -> str:
    """A bar for a table cell, beside the number that says the same."""
    if value is None or largest <= 0:
        return ""
    length = min(abs(value) / largest, 1.0) * 100
    shape = element("rect", x=0, y=0, width=length, height=8, rx=1.5, class_=kind)
    return (
        '<svg class="meter" viewBox="0 0 100 8" preserveAspectRatio="none" '
        f'aria-hidden="true">{shape}</svg>'
    )


def words(day: str) -> str:
    when = date.fromisoformat(day)
    return f"{when:%a} {when.day} {MONTHS[when.month - 1]}"
