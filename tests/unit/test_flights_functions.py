"""The flights example: what its routines compute, without an engine."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from examples.flights import clean, data, figures, job_section, page, partial, weather
from examples.flights.charts import shade
from examples.flights.check import differences, page_faults, recount
from examples.flights.checks import CHECKS, MEANINGS, reasons_against
from examples.flights.clean import Zone, sort_day
from examples.flights.data import FLIGHT_HEADER
from examples.flights.figures import Figures
from examples.flights.flow import flow
from examples.flights.partial import Joined, Partial
from examples.flights.rows import Flight, parse, read_flights, write_flights
from examples.flights.svg import Scale, ticks
from examples.flights.workspace import Workspace, write_text
from flowforge.cli.drawing.subject import Subject
from flowforge.store.job_reads.routine_states import COUNTERS

ZONES = {"IAH": Zone(-6, True), "PHX": Zone(-7, False)}

#: The first row of the real table: Newark to Houston, 227 minutes in the air.
SOURCE = {
    "year": "2013", "month": "1", "day": "1",
    "dep_time": "517", "sched_dep_time": "515", "dep_delay": "2",
    "arr_time": "830", "sched_arr_time": "819", "arr_delay": "11",
    "carrier": "UA", "flight": "1545", "tailnum": "N14228", "origin": "EWR", "dest": "IAH",
    "air_time": "227", "distance": "1400", "hour": "5", "minute": "15",
    "time_hour": "2013-01-01T10:00:00Z",
}  # fmt: skip

CANCELLED = {
    "dep_time": "NA", "dep_delay": "NA", "arr_time": "NA", "arr_delay": "NA", "air_time": "NA",
}  # fmt: skip


def source(**changes: str) -> list[str]:
    """The fields of the first row, some of them changed."""
    row = SOURCE | changes
    return [row[name] for name in FLIGHT_HEADER.split(",")]


def flight(**changes: str) -> Flight:
    read, _ = parse(source(**changes))
    return read._replace(gate_minutes=clean.gate_minutes(read, ZONES))


def day_text(*rows: list[str]) -> str:
    return "\n".join([FLIGHT_HEADER, *(",".join(row) for row in rows)]) + "\n"


# --- reading -------------------------------------------------------------------------------


def test_clocks_become_minutes_after_midnight() -> None:
    """A clock without leading zeros is read as hhmm, and 2400 is the end of the day."""
    assert flight().dep == 5 * 60 + 17
    assert flight(dep_time="5").dep == 5
    assert flight(dep_time="2400").dep == 24 * 60


def test_missing_values_are_none_and_mean_cancelled_only_for_the_departure() -> None:
    """NA reads as None; a flight is cancelled when it has no departure time."""
    assert flight(**CANCELLED).cancelled
    landed_elsewhere = flight(arr_time="NA", arr_delay="NA", air_time="NA")
    assert not landed_elsewhere.cancelled
    assert landed_elsewhere.arr is None


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("dep_time", "561", "bad_clock"),
        ("arr_time", "2401", "bad_clock"),
        ("sched_dep_time", "-5", "bad_clock"),
        ("air_time", "long", "unreadable"),
        ("hour", "", "unreadable"),
        ("time_hour", "yesterday", "unreadable"),
    ],
)
def test_what_cannot_be_read_is_named(column: str, value: str, reason: str) -> None:
    """A value that makes no sense gives a reason, and never an exception."""
    _, reasons = parse(source(**{column: value}))
    assert reasons == [reason]


def test_flights_survive_their_file() -> None:
    """What is written for the next routine is read back equal, missing values included."""
    flights = [flight(), flight(**CANCELLED), flight(dest="SJU")]
    assert read_flights(write_flights(flights)) == flights


# --- checks --------------------------------------------------------------------------------


def test_gate_time_considers_both_time_zones_and_daylight_saving() -> None:
    """Houston is one hour behind all year; Phoenix is two hours behind in winter, three later."""
    assert flight().gate_minutes == 3 * 60 + 13 + 60
    winter = flight(dest="PHX")
    summer = flight(dest="PHX", time_hour="2013-07-01T09:00:00Z")
    assert winter.gate_minutes == 193 + 120
    assert summer.gate_minutes == 193 + 180
    assert flight(dest="SJU").gate_minutes is None


def test_a_flight_past_midnight_has_a_positive_gate_time() -> None:
    """An arrival clock that is smaller than the departure clock belongs to the next day."""
    assert flight(dep_time="2300", arr_time="200").gate_minutes == 180 + 60


def test_a_sound_row_breaks_no_rule() -> None:
    """Neither a flight as planned nor a cancelled one is suspicious."""
    assert reasons_against(flight()) == []
    assert reasons_against(flight(**CANCELLED)) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"arr_time": "NA", "arr_delay": "NA", "air_time": "NA"}, "departed_without_arrival"),
        ({"arr_delay": "NA", "air_time": "NA"}, "arrival_incomplete"),
        ({"air_time": "60"}, "speed_implausible"),
        ({"air_time": "-20"}, "speed_implausible"),
        ({"air_time": "0"}, "speed_implausible"),
        ({"distance": "17", **CANCELLED}, "route_impossible"),
        ({"dest": "EWR", **CANCELLED}, "route_impossible"),
        ({"dep_time": "NA", "dep_delay": "NA"}, "arrived_without_departure"),
        ({"hour": "7", "time_hour": "2013-01-01T12:00:00Z"}, "schedule_disagrees"),
        ({"dest": "SJU", "time_hour": "2013-01-01T13:00:00Z"}, "schedule_disagrees"),
        ({"dep_delay": "3"}, "delay_disagrees"),
        ({"arr_delay": "-11"}, "delay_disagrees"),
        ({"dep_delay": str(2 + 5 * 1440)}, "delay_implausible"),
        ({"arr_time": "800", "arr_delay": "-19", "air_time": "250"}, "gate_time_too_short"),
    ],
)
def test_each_rule_finds_what_it_is_for(changes: dict[str, str], reason: str) -> None:
    """A row that contradicts itself in one way is rejected for that reason alone."""
    assert reasons_against(flight(**changes)) == [reason]


def test_every_reason_has_a_meaning_for_the_page() -> None:
    """Reasons of rules, of reading and of comparing rows can all be explained."""
    assert {check.reason for check in CHECKS} < set(MEANINGS)
    assert {"bad_clock", "unreadable", "duplicate"} <= set(MEANINGS)


def test_the_router_sends_every_row_to_one_side() -> None:
    """Sound rows, a row that breaks a rule and a repeated row add up to the day."""
    bad = source(flight="7", air_time="20")
    found = sort_day(day_text(source(), source(), bad, source(flight="8")), ZONES)
    assert [row.number for row in found.rows] == ["1545", "8"]
    assert [row.reasons for row in found.rejected] == [("duplicate",), ("speed_implausible",)]


def test_rejected_rows_survive_their_file() -> None:
    """The rejected file keeps the source's columns and every reason."""
    found = sort_day(day_text(source(air_time="20", dep_delay="9", dest="IAH")), ZONES)
    (row,) = clean.read_rejected(clean.write_rejected(found.rejected))
    assert row.fields == found.rejected[0].fields
    assert row.reasons == ("speed_implausible", "delay_disagrees")


# --- adding up -----------------------------------------------------------------------------


def partials_of_two_days() -> list[Partial]:
    first = sort_day(
        day_text(source(), source(flight="2", **CANCELLED), source(flight="3", air_time="20")),
        ZONES,
    )
    second = sort_day(day_text(source(carrier="DL", arr_time="840", arr_delay="21")), ZONES)
    return [
        partial.of_rows("2013-01-01", first.rows),
        partial.of_rejected("2013-01-01", first.rejected),
        partial.of_rows("2013-01-02", second.rows),
    ]


def test_partials_survive_their_file() -> None:
    """A partial read back from JSON equals the one that was written."""
    for one in partials_of_two_days():
        assert Partial.from_json(one.to_json()) == one


def test_both_sides_of_a_day_count_in_the_totals() -> None:
    """Rejected rows count as flights with the values they have, not in what was flown."""
    result = figures.summary(partial.join(partials_of_two_days()), {"UA": "United"})
    assert (result["flights"], result["cancelled"], result["days"]) == (4, 1, 2)
    assert result["mean_dep_delay"] == 2
    assert result["carriers"]["UA"] == {"flights": 3, "cancelled": 1, "mean_arr_delay": 11.0}
    assert result["flown"]["UA"]["flights"] == 1
    assert result["quality"]["rejected"] == 1
    assert result["quality"]["reasons"]["speed_implausible"] == 1
    assert result["carrier_names"] == {"UA": "United", "DL": "DL"}


def test_the_order_of_days_does_not_matter() -> None:
    """Any order of partials gives the same sums."""
    parts = partials_of_two_days()
    expected = partial.join(parts)
    for seed in range(5):
        random.Random(seed).shuffle(parts)
        assert partial.join(parts) == expected


def test_a_mean_of_nothing_is_none() -> None:
    """A carrier whose flights were all cancelled has no mean delay."""
    rows = sort_day(day_text(source(**CANCELLED)), ZONES).rows
    result = figures.summary(partial.join([partial.of_rows("2013-01-01", rows)]), {})
    assert result["carriers"]["UA"]["mean_arr_delay"] is None
    assert result["mean_dep_delay"] is None


# --- splitting and files ----------------------------------------------------------------------


def test_days_are_split_by_date_and_ordered() -> None:
    """Lines go to their own day under the header, wherever in the table they stand."""
    lines = ["a,year,month,day\n", "x,2013,10,1\n", "y,2013,2,3\n", "z,2013,10,1\n"]
    assert data.by_day(lines, year_column=1) == {
        "2013-02-03": "a,year,month,day\ny,2013,2,3\n",
        "2013-10-01": "a,year,month,day\nx,2013,10,1\nz,2013,10,1\n",
    }


def test_a_quoted_field_is_refused() -> None:
    """A comma inside quotes would cut a line wrongly, so it is not guessed at."""
    with pytest.raises(ValueError, match="quoted"):
        data.by_day(["year,month,day,x\n", '2013,1,1,"a,b"\n'])


def test_a_folder_without_the_tables_is_refused(tmp_path: Path) -> None:
    """The error names the file that is missing."""
    with pytest.raises(data.DataNotFoundError, match=re.escape(data.ARCHIVE)):
        data.verify(tmp_path)


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """Writing again leaves the new text and no draft behind."""
    path = Workspace(tmp_path).partial("2013-01-01", "rows")
    write_text(path, "first")
    write_text(path, "second\n")
    assert path.read_bytes() == b"second\n"
    assert list(path.parent.iterdir()) == [path]


# --- weather ----------------------------------------------------------------------------------

WEATHER = "origin,temp,wind_speed,visib,humid,precip\n"


def test_weather_means_leave_out_what_no_instrument_measures() -> None:
    """Missing values and the table's wind of 1048 mph are not averaged; rain is for 24 hours."""
    text = WEATHER + "EWR,40,10,10,50,0\nJFK,NA,1048.36,8,60,0.1\nLGA,44,20,6,70,0.2\n"
    assert weather.day_means(text) == {
        "temperature": 42.0,
        "wind": 15.0,
        "visibility": 8.0,
        "humidity": 60.0,
        "rain": 2.4,
    }


@pytest.mark.parametrize("text", [WEATHER, WEATHER + "EWR,NA,NA,NA,NA,NA\n"])
def test_a_day_without_observations_fails(text: str) -> None:
    """The optional step fails rather than inventing weather."""
    with pytest.raises(weather.NoObservationsError):
        weather.day_means(text)


@pytest.mark.parametrize(
    ("inches", "words"),
    [(0.0, "dry"), (0.02, "under 0.1 in"), (0.5, "0.1 to 0.5 in"), (9.0, "over 0.5 in")],
)
def test_rain_has_classes(inches: float, words: str) -> None:
    """A class includes its upper bound."""
    assert weather.rain_class(inches) == words


# --- the page ---------------------------------------------------------------------------------


def result_of_two_days() -> Figures:
    observed = {"2013-01-01": dict.fromkeys(weather.MEASURES, 1.0)}
    summary = figures.summary(partial.join(partials_of_two_days()), {"UA": "United <Air>"})
    return figures.with_weather(summary, observed)


def test_days_without_weather_are_named_and_left_out() -> None:
    """The result says which days the optional step could not serve; one day has no correlation."""
    found = result_of_two_days()["weather"]
    assert found["missing"] == ["2013-01-02"]
    assert found["days"] == 1
    assert set(found["correlations"].values()) == {None}
    assert [group["days"] for group in found["rain"]] == [0, 0, 0, 1]


def test_the_page_stands_alone_and_escapes_names() -> None:
    """Nothing is loaded from elsewhere, every plot has a name, and data is not markup."""
    html = page.render(result_of_two_days())
    assert page_faults(html, 4) == []
    assert "United &lt;Air&gt;" in html
    assert "<Air>" not in html
    images = re.findall(r'<svg [^>]*role="img"[^>]*>', html)
    assert images
    assert all('aria-label="' in image for image in images)


def test_the_page_names_its_job() -> None:
    """With a graph whose styles stay its own, and a row for each routine that ran."""
    pytest.importorskip("graphlay")
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    counters = {**dict.fromkeys(COUNTERS, 0), "started": 2, "completed": 2, "running": 0}
    state = {
        **counters, "status": "completed", "started_at": begin,
        "ended_at": begin + timedelta(seconds=3), "total_seconds": 1.0, "latest_seconds": 0.5,
    }  # fmt: skip
    drawing = job_section.graph(Subject(flow.definition(), "JOB", "completed", {"fetch": state}))
    html = page.render(result_of_two_days())
    assert html.count(job_section.PLACE) == 1
    assert page_faults(html + drawing, 4) == []
    assert "flow flights, job JOB: completed" in drawing
    assert "<style>.drawn {" in drawing
    table = job_section.times({"fetch": state})
    assert "<td>0.0</td><td>3.0</td><td>2</td><td>500.0</td>" in table


def test_the_page_can_show_a_job_without_weather() -> None:
    """When every weather step failed the section says so."""
    result = figures.with_weather(figures.summary(partial.join(partials_of_two_days()), {}), {})
    assert "found no observations" in page.render(result)


def test_the_page_can_show_an_empty_job() -> None:
    """No days at all still make a page."""
    joined = Joined(tables={"carrier": {}, "origin": {}, "hour": {}, "dest": {}})
    page.render(figures.with_weather(figures.summary(joined, {}), {}))


def test_a_page_that_loads_something_is_caught() -> None:
    """The check finds scripts, images and imports."""
    assert page_faults("4 <script src='x'></script>", 4)
    assert page_faults("4 <style>@import 'x'</style>", 4)
    assert page_faults("nothing", 4)


def test_ticks_are_round_and_enclose_the_data() -> None:
    """An axis starts and ends at round numbers around the data, negative ones too."""
    assert ticks(0, 23) == [0, 5, 10, 15, 20, 25]
    assert ticks(-9, 31) == [-10, 0, 10, 20, 30, 40]
    scale = Scale([0, 23], 100, 0)
    assert (scale(0), scale(25)) == (100, 0)
    assert Scale([], 0, 1).ticks


def test_the_calendar_has_six_shades() -> None:
    """Early days have their own shade, and a bound belongs to the darker side."""
    assert [shade(delay) for delay in (-1, 0, 9.9, 10, 35, 83)] == [0, 1, 1, 2, 4, 5]


# --- against the source -----------------------------------------------------------------------


def test_the_recount_agrees_with_the_routines_on_their_rows() -> None:
    """The independent count of the same rows gives the very same figures."""
    rows = [source(), source(flight="2", **CANCELLED), source(flight="3", air_time="20")]
    found = sort_day(day_text(*rows), ZONES)
    parts = [partial.of_rows("2013-01-01", found.rows)]
    parts.append(partial.of_rejected("2013-01-01", found.rejected))
    names = FLIGHT_HEADER.split(",")
    expected = recount([dict(zip(names, row, strict=True)) for row in rows])
    assert differences(expected, figures.summary(partial.join(parts), {})) == []


def test_the_check_names_what_differs() -> None:
    """A wrong figure, a missing carrier and an invented one are each named."""
    expected = {"flights": 3, "carriers": {"UA": {"flights": 3}, "DL": {"flights": 1}}}
    found = {"flights": 4, "carriers": {"UA": {"flights": 3}, "XX": {"flights": 0}}, "more": 1}
    assert differences(expected, expected) == []
    assert [fault.split(":")[0].split(" ")[0] for fault in differences(expected, found)] == [
        "flights",
        "carriers.DL",
        "carriers.XX",
    ]


def test_the_first_days_of_the_real_table() -> None:
    """The real first day has 842 flights, 4 of them cancelled, and a sound majority."""
    folder = data.locate()
    lines = (line for line in data.flight_lines(folder) if line.startswith(("year", "2013,1,1,")))
    days = data.by_day(lines)
    found = sort_day(days["2013-01-01"], clean.load_zones(folder / "airports.csv"))
    assert len(found.rows) + len(found.rejected) == 842
    assert sum(row.cancelled for row in found.rows) == 4
    assert len(found.rejected) == 7
