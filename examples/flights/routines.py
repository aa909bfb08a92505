"""The routines of the flights job.

What travels between them is a day, a directory and a few numbers; rows stay in files, and a file
is a pure function of the data. A handler that runs twice, or is killed and run again, therefore
ends where one clean run would have ended.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from examples.flights import clean, data, figures, page, partial, rows, weather
from examples.flights.partial import REJECTED, ROWS, WEATHER, Partial
from examples.flights.workspace import Workspace, write_text
from flowforge import ErrorHandler, ErrorStrategy, Join, Routine

#: Rejected rows from one notice of the watch to the next. No day has as many.
NOTICE = 100


class Fetch(Routine):
    """Finds the source and checks that it is what the other routines read.

    The step stands for one that depends on somebody else's service, so it is retried.
    ``outages`` rehearses that: so many attempts find nobody at home.
    """

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.find)
        self.define_event("found", ["source", "build", "first_days"])
        self.set_error_handler(
            ErrorHandler(
                strategy=ErrorStrategy.RETRY,
                max_retries=5,
                retry_delay=0.2,
                retryable_exceptions=(OSError,),
            )
        )

    def find(self, build: str = "build", outages: int = 0, first_days: int = 0) -> None:
        if self.attempt <= outages:
            raise ConnectionError(f"rehearsed outage {self.attempt} of {outages}")
        source = data.locate()
        data.verify(source)
        self.emit(
            "found", source=str(source), build=str(Path(build).resolve()), first_days=first_days
        )


class Split(Routine):
    """Cuts the year into one file a day, and announces each day."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.cut)
        self.define_event("day_ready", ["day", "build"])

    def cut(self, source: str, build: str, first_days: int = 0) -> None:
        place, folder = Workspace.at(build), Path(source)
        found = data.by_day(data.flight_lines(folder))
        chosen = list(found)[: first_days or None]
        for day in chosen:
            write_text(place.flights(day), found[day])
        for day, lines in data.by_day(data.weather_lines(folder), year_column=1).items():
            write_text(place.observations(day), lines)
        for day in chosen:
            self.emit("day_ready", day=day, build=build)


class Clean(Routine):
    """Reads and checks a day, and routes its rows: the sound ones on, the others aside."""

    zones: Mapping[str, clean.Zone]

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.sort_rows)
        self.define_event("rows", ["day", "build"])
        self.define_event("rejected", ["day", "build"])

    def setup(self) -> None:
        self.zones = clean.load_zones(data.locate() / "airports.csv")

    def sort_rows(self, day: str, build: str) -> None:
        place = Workspace.at(build)
        found = clean.sort_day(place.flights(day).read_text(encoding="utf-8"), self.zones)
        write_text(place.checked(day), rows.write_flights(found.rows))
        self.increment_stat("rows", len(found.rows))
        self.increment_stat("rejected", len(found.rejected))
        if found.rejected:
            write_text(place.rejected(day), clean.write_rejected(found.rejected))
            self.emit("rejected", day=day, build=build)
        self.emit("rows", day=day, build=build)


class Aggregate(Routine):
    """Adds up the sound rows of a day."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.add_up)
        self.define_event("partial", ["day", "part", "build"])

    def add_up(self, day: str, build: str) -> None:
        place = Workspace.at(build)
        flights = rows.read_flights(place.checked(day).read_text(encoding="utf-8"))
        write_text(place.partial(day, ROWS), partial.of_rows(day, flights).to_json())
        self.emit("partial", day=day, part=ROWS, build=build)


class Quarantine(Routine):
    """Adds up the rejected rows of a day, and counts why they were rejected."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.examine)
        self.define_event("partial", ["day", "part", "build"])
        self.define_event("counted", ["day", "rejected"])

    def examine(self, day: str, build: str) -> None:
        place = Workspace.at(build)
        rejected = clean.read_rejected(place.rejected(day).read_text(encoding="utf-8"))
        found = partial.of_rejected(day, rejected)
        write_text(place.partial(day, REJECTED), found.to_json())
        for reason, count in found.reasons.items():
            self.increment_stat(reason, count)
        self.emit("partial", day=day, part=REJECTED, build=build)
        self.emit("counted", day=day, rejected=len(rejected))


class Weather(Routine):
    """Finds the day's weather. The job can do without: a day that has none fails this step only.

    The real table ends on 30 December, so one day of the year does fail.
    """

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.observe)
        self.define_event("partial", ["day", "part", "build"])
        self.set_as_optional()

    def observe(self, day: str, build: str) -> None:
        place = Workspace.at(build)
        path = place.observations(day)
        if not path.exists():
            raise weather.NoObservationsError(f"no station reported anything on {day}")
        means = weather.day_means(path.read_text(encoding="utf-8"))
        write_text(place.partial(day, WEATHER), json.dumps(means))
        self.emit("partial", day=day, part=WEATHER, build=build)


class Watch(Routine):
    """Gives notice while the job runs: once for each further hundred rejected rows.

    Its slot accumulates. Of N deliveries each sees another number of days, and a repeated one
    what it saw before, so every hundred is passed in exactly one of them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.look, merge_strategy="append")
        self.define_event("notice", ["rejected", "days"])

    def look(self, day: Sequence[str], rejected: Sequence[int]) -> None:
        so_far = sum(rejected)
        if so_far // NOTICE > (so_far - rejected[-1]) // NOTICE:
            self.emit("notice", rejected=so_far, days=len(day))


class Total(Routine):
    """Adds up the year, once: when nothing is left that could still bring a part of a day.

    Nobody counts. A day has one part, two or three, and a weather step that failed brings none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("partials", handler=self.add_up, join=Join.all())
        self.define_event("complete", ["build"])

    def add_up(self, items: Sequence[Mapping[str, str]]) -> None:
        place = Workspace.at(items[0]["build"])
        arrived = sorted((item["day"], item["part"]) for item in items)
        joined = partial.join(
            Partial.from_json(place.partial(day, part).read_text(encoding="utf-8"))
            for day, part in arrived
            if part != WEATHER
        )
        observed = {
            day: json.loads(place.partial(day, part).read_text(encoding="utf-8"))
            for day, part in arrived
            if part == WEATHER
        }
        summary = figures.summary(joined, data.airline_names(data.locate()))
        write_text(place.joined, json.dumps(figures.with_weather(summary, observed)))
        self.emit("complete", build=str(place.root))


class Report(Routine):
    """Writes ``flights.json`` and the page."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.publish)
        self.define_event("published", ["result", "page", "flights", "cancelled", "days"])

    def publish(self, build: str) -> None:
        place = Workspace.at(build)
        result: figures.Figures = json.loads(place.joined.read_text(encoding="utf-8"))
        write_text(place.result, json.dumps(result, indent=1))
        write_text(place.page, page.render(result))
        totals = {key: result[key] for key in ("flights", "cancelled", "days")}
        self.emit("published", result=str(place.result), page=str(place.page), **totals)
