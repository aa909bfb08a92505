"""A row of numbers as a picture of bars, with the words that say the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from flowforge.common.sums import known_sum, neighbours
from flowforge.engine.fleet.throughput import DAY, HOUR, Period, Rates
from flowforge.store.fleet_reads.throughput import Done

#: Units of the picture: a bar with the gap behind it, and the height of the highest one.
_STEP, _BAR, _HEIGHT = 5, 4, 30

#: Bars of a picture in a table: pages with a hundred of them stay small.
_FEW = {HOUR: 15, DAY: 24}

#: The words of a period, by its name in an address.
PERIODS = {"hour": HOUR, "day": DAY}
_TIME = {HOUR: "minute", DAY: "quarter of an hour"}

_SHOWN: dict[str, Callable[[Done], int]] = {
    "Jobs created": lambda done: done.created,
    "Jobs completed": lambda done: done.completed,
    "Jobs failed": lambda done: done.failed,
    "Attempts": lambda done: done.attempts,
}


class Sparkline(NamedTuple):
    """``path``: the bars, as SVG writes them; nothing is drawn where no number is known. ``total``:
    the sum of what is known, None without any. ``words``: what a reader sees in the picture.
    """

    title: str
    total: int | None
    words: str
    path: str
    width: int
    height: int


class Moment(NamedTuple):
    """A time of a period. ``numbers``: in the order of the sparklines."""

    begin: datetime
    numbers: list[int | None]


class FlowLine(NamedTuple):
    """A flow: ``ended`` and ``failed`` jobs."""

    flow_id: str
    ended: Sparkline
    failed: Sparkline


class Chart(NamedTuple):
    """What was done in a period. ``moments``: the same as a table, the latest first."""

    name: str
    time: str
    lines: list[Sparkline]
    moments: list[Moment]


def chart(period: str, done: Sequence[Done | None]) -> Chart | None:
    """That of a period of this name; None where nothing is known."""
    if not any(one is not None for one in done):
        return None
    of = PERIODS[period]
    rows = {title: _numbers(done, read) for title, read in _SHOWN.items()}
    length = timedelta(minutes=of.minutes)
    latest = datetime.now(UTC).replace(second=0, microsecond=0)
    latest -= timedelta(minutes=(latest.hour * 60 + latest.minute) % of.minutes)
    begins = [latest - length * (place + 1) for place in range(len(done))]
    parts = zip(*(reversed(numbers) for numbers in rows.values()), strict=True)
    return Chart(
        period,
        _TIME[of],
        [sparkline(title, numbers, _TIME[of]) for title, numbers in rows.items()],
        [Moment(begin, list(one)) for begin, one in zip(begins, parts, strict=True)],
    )


def flow_lines(rates: Rates, flow_ids: Iterable[str]) -> list[FlowLine]:
    """Of each of these flows that has done anything a small picture."""
    return [flow_line(flow_id, rates) for flow_id in flow_ids if rates.of(flow_id)]


def flow_line(flow_id: str, rates: Rates) -> FlowLine:
    """A small picture of a flow."""
    done, period = rates.of(flow_id), rates.period
    return FlowLine(
        flow_id,
        _small("Jobs ended", _numbers(done, lambda one: one.ended), period),
        _small("Jobs failed", _numbers(done, lambda one: one.failed), period),
    )


def busiest(rates: Rates, most: int) -> list[str]:
    """The flows of which the most jobs ended, those first in which the most failed."""

    def amount(flow_id: str) -> tuple[int, int]:
        known = [one for one in rates.of(flow_id) if one is not None]
        return sum(one.failed for one in known), sum(one.ended for one in known)

    found = [flow_id for flow_id in rates.flows if amount(flow_id) > (0, 0)]
    return sorted(found, key=amount, reverse=True)[:most]


def sparkline(title: str, numbers: Sequence[int | None], time: str) -> Sparkline:
    """A bar for each number. ``time``: in words, what a number is of."""
    highest = max((number for number in numbers if number is not None), default=0)
    total = known_sum(numbers)
    words = f"{title}: "
    if total is None:
        words += "not known"
    else:
        words += f"{total} in all, at most {highest} in a {time}"
        unknown = sum(number is None for number in numbers)
        if unknown:
            words += f", not known of {unknown} of {len(numbers)}"
    return Sparkline(title, total, words, _path(numbers, highest), _width(numbers), _HEIGHT)


def _small(title: str, numbers: Sequence[int | None], period: Period) -> Sparkline:
    count = _FEW[period]
    minutes = period.times * period.minutes // count
    return sparkline(title, neighbours(numbers, count), f"time of {minutes} minutes")


def _numbers(done: Sequence[Done | None], read: Callable[[Done], int]) -> list[int | None]:
    return [None if one is None else read(one) for one in done]


def _width(numbers: Sequence[int | None]) -> int:
    return max(1, len(numbers)) * _STEP


def _path(numbers: Sequence[int | None], highest: int) -> str:
    bars = []
    for place, number in enumerate(numbers):
        if number is not None:
            # Zero is a flat bar, so that it differs from what is not known.
            height = max(1, round(number * _HEIGHT / max(1, highest)))
            bars.append(f"M{place * _STEP} {_HEIGHT}v-{height}h{_BAR}V{_HEIGHT}z")
    return "".join(bars)
