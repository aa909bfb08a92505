"""The routines of the nested job.

Rows travel as a reference: a file, the place in it, a length. Sums travel by themselves. Each file
is a pure function of the data and is replaced as a whole, so a handler that runs twice changes
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from examples.flights import data
from examples.flights.workspace import write_text
from examples.nested.sums import Sums, by_carrier, places
from flowforge import Join, Routine

#: What a joined item holds: names, and the fields of ``Sums``.
Item = Mapping[str, Any]


def rows_of(build: str, carrier: str) -> Path:
    return Path(build) / "nested" / "rows" / f"{carrier}.csv"


def fleet_of(build: str, carrier: str) -> Path:
    return Path(build) / "nested" / "fleets" / f"{carrier}.json"


class Split(Routine):
    """The first fan-out: one emission a carrier, with its rows in a file."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.cut)
        self.define_event("carrier", ["carrier", "build"])

    def cut(self, build: str = "build", first_carriers: int = 0) -> None:
        source, place = data.locate(), str(Path(build).resolve())
        data.verify(source)
        carriers = by_carrier(data.flight_lines(source))
        for carrier in list(carriers)[: first_carriers or None]:
            write_text(rows_of(place, carrier), carriers[carrier])
            self.emit("carrier", carrier=carrier, build=place)


class Fleet(Routine):
    """The second fan-out: one emission an aircraft, saying where its rows are.

    ``fleet`` is the number of the carrier's aircraft. It is known here, so the join may use it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.line_up)
        self.define_event("aircraft", ["carrier", "tail", "start", "length", "fleet", "build"])

    def line_up(self, carrier: str, build: str) -> None:
        with rows_of(build, carrier).open("rb") as file:
            found = list(places(file))
        for place in found:
            self.emit("aircraft", carrier=carrier, fleet=len(found), build=build, **place._asdict())


class Aircraft(Routine):
    """Adds up the flights of one aircraft of one carrier."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.add_up)
        self.define_event("flown", ["carrier", "tail", "fleet", "build", *asdict(Sums())])

    def add_up(
        self, carrier: str, tail: str, start: int, length: int, fleet: int, build: str
    ) -> None:
        with rows_of(build, carrier).open("rb") as file:
            file.seek(start)
            rows = file.read(length).decode("ascii").splitlines()
        sums = asdict(Sums.of_rows(rows))
        self.emit("flown", carrier=carrier, tail=tail, fleet=fleet, build=build, **sums)


class RollUp(Routine):
    """The first join: once for each carrier, as soon as its last aircraft is there."""

    def __init__(self) -> None:
        super().__init__()
        join = Join.each("carrier", count="fleet")
        self.define_slot("aircraft", handler=self.roll_up, join=join)
        self.define_event("carrier", ["carrier", "aircraft", "build", *asdict(Sums())])

    def roll_up(self, carrier: str, items: Sequence[Item]) -> None:
        whole, fleet = Sums(), {}
        build = items[0]["build"]
        for item in items:
            own = Sums(item["flights"], item["distance"], item["air_time"])
            fleet[item["tail"]] = asdict(own)
            whole.add(own)
        write_text(fleet_of(build, carrier), json.dumps(dict(sorted(fleet.items()))))
        self.emit("carrier", carrier=carrier, aircraft=len(items), build=build, **asdict(whole))


class Total(Routine):
    """The second join: once, over all carriers; writes ``nested.json``."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("carriers", handler=self.total, join=Join.all())
        self.define_event("published", ["result", "carriers", "aircraft", *asdict(Sums())])

    def total(self, items: Sequence[Item]) -> None:
        whole, aircraft, carriers = Sums(), 0, {}
        build = items[0]["build"]
        for item in items:
            own = Sums(item["flights"], item["distance"], item["air_time"])
            fleet = json.loads(fleet_of(build, item["carrier"]).read_text(encoding="utf-8"))
            carriers[item["carrier"]] = {**asdict(own), "aircraft": fleet}
            aircraft += item["aircraft"]
            whole.add(own)
        totals = {**asdict(whole), "aircraft": aircraft}
        path = Path(build) / "nested.json"
        result = {**totals, "carriers": dict(sorted(carriers.items()))}
        write_text(path, json.dumps(result, indent=1))
        self.emit("published", result=str(path), carriers=len(items), **totals)
