"""Rows of numbers as pictures, and the words that say the same."""

from __future__ import annotations

from flowforge.engine.fleet.throughput import DAY, HOUR, Rates
from flowforge.store.fleet_reads.throughput import NOTHING, Done
from flowforge.web.sparkline import busiest, chart, flow_line, sparkline


def done(created: int, completed: int = 0, failed: int = 0) -> Done:
    return NOTHING._replace(created=created, completed=completed, failed=failed)


def test_a_picture_says_in_words_what_it_shows() -> None:
    """A bar for each number that is known, the highest of full height, zero a flat one."""
    found = sparkline("Jobs", [4, None, 0, 2], "minute")
    assert found.path == "M0 30v-30h4V30zM10 30v-1h4V30zM15 30v-15h4V30z"
    assert (found.width, found.total) == (20, 6)
    assert found.words == "Jobs: 6 in all, at most 4 in a minute, not known of 1 of 4"
    unknown = sparkline("Jobs", [None], "minute")
    assert (unknown.total, unknown.words, unknown.path) == (None, "Jobs: not known", "")


def test_a_chart_and_its_table_say_the_same() -> None:
    """The latest time comes first in the table."""
    found = chart("hour", [None, done(3, 2, 1), done(5)])
    assert found is not None
    assert [(line.title, line.total) for line in found.lines] == [
        ("Jobs created", 8), ("Jobs completed", 2), ("Jobs failed", 1), ("Attempts", 0),
    ]  # fmt: skip
    assert [one.numbers for one in found.moments] == [[5, 0, 0, 0], [3, 2, 1, 0], [None] * 4]
    (last, before) = (one.begin for one in found.moments[:2])
    assert (last - before).total_seconds() == 60
    assert chart("hour", [None, None]) is None
    assert chart("day", []) is None


def test_a_day_begins_at_a_quarter_of_an_hour() -> None:
    found = chart("day", [done(1)] * DAY.times)
    assert found is not None
    assert {one.begin.minute for one in found.moments} == {0, 15, 30, 45}


def test_flows_in_which_the_most_failed_come_first() -> None:
    """And those that did nothing are left out."""
    rates = Rates(
        HOUR,
        {
            "quiet": [NOTHING] * 60,
            "busy": [done(9, 9)] * 60,
            "bad": [*[None] * 59, done(1, 0, 1)],
        },
    )
    assert busiest(rates, 5) == ["bad", "busy"]
    assert busiest(rates, 1) == ["bad"]
    line = flow_line("busy", rates)
    assert line.ended.words == "Jobs ended: 540 in all, at most 36 in a time of 4 minutes"
    assert flow_line("none", rates).failed.total is None


def test_all_flows_together() -> None:
    """What is known of any of them is known of the whole."""
    rates = Rates(HOUR, {"a": [None, *[done(1)] * 59], "b": [None, None, *[done(2)] * 58]})
    assert rates.whole[:3] == [None, done(1), done(3)]
    assert Rates(HOUR, {}).whole == []
