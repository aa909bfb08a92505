"""The nested example: its graph, and what its routines compute, without an engine."""

from __future__ import annotations

import csv
from dataclasses import asdict
from itertools import pairwise

import pytest

from examples.flights import data
from examples.flights.data import FLIGHT_HEADER
from examples.nested.check import differences, recount
from examples.nested.flow import flow
from examples.nested.routines import RollUp, Total
from examples.nested.sums import Place, Sums, by_carrier, places
from flowforge import Join

#: Carrier, tail number, air time, distance.
FLIGHTS = [
    ("UA", "N2", "100", "700"),
    ("UA", "N10", "NA", "500"),
    ("AA", "N2", "30", "200"),
    ("UA", "N2", "90", "700"),
    ("UA", "NA", "NA", "300"),
]


def rows() -> list[dict[str, str]]:
    """Rows of the table with these values, and some value everywhere else."""
    names = ("carrier", "tailnum", "air_time", "distance")
    return [
        dict.fromkeys(FLIGHT_HEADER.split(","), "1") | dict(zip(names, flight, strict=True))
        for flight in FLIGHTS
    ]


def lines() -> list[str]:
    return [FLIGHT_HEADER + "\n", *(",".join(row.values()) + "\n" for row in rows())]


def test_rows_are_split_by_carrier_and_ordered_by_tail_number() -> None:
    """Carriers and aircraft are in order, whatever the table's own order is."""
    assert by_carrier(lines()) == {
        "AA": "N2,30,200\n",
        "UA": "N10,NA,500\nN2,100,700\nN2,90,700\nNA,NA,300\n",
    }


def test_a_quoted_field_is_refused() -> None:
    """A comma inside quotes would cut a row wrongly, so it is not guessed at."""
    with pytest.raises(ValueError, match="quoted"):
        by_carrier([FLIGHT_HEADER, '"a,b",1\n'])


def test_places_cut_a_file_between_its_aircraft() -> None:
    """What is read at the places of a file, one after the other, is the whole file."""
    text = by_carrier(lines())["UA"].encode()
    found = list(places(text.splitlines(keepends=True)))
    assert [place.tail for place in found] == ["N10", "N2", "NA"]
    assert found[1] == Place("N2", len("N10,NA,500\n"), len("N2,100,700\nN2,90,700\n"))
    assert b"".join(text[p.start : p.start + p.length] for p in found) == text


def test_an_aircraft_adds_up_its_rows() -> None:
    """A flight without an air time is a flight with a distance and without minutes."""
    assert Sums.of_rows(["N1,100,700", "N1,NA,500"]) == Sums(2, 1200, 100)
    assert Sums.of_rows([]) == Sums()


def test_the_recount_takes_no_detour() -> None:
    """Straight from the rows: each aircraft, each carrier, the whole."""
    expected = recount(rows())
    united = expected["carriers"]["UA"]
    assert united["aircraft"]["N2"] == {"flights": 2, "distance": 1400, "air_time": 190}
    assert (united["flights"], united["distance"], united["air_time"]) == (4, 2200, 190)
    assert (expected["flights"], expected["distance"], expected["air_time"]) == (5, 2400, 220)
    # N2 flew for two carriers and is counted for each; flights without a number count as one.
    assert expected["aircraft"] == 4


def test_the_recount_can_take_the_first_carriers_only() -> None:
    """As the job does: by name."""
    assert list(recount(rows(), first_carriers=1)["carriers"]) == ["AA"]


def test_the_check_names_what_differs() -> None:
    """A wrong sum, a missing aircraft and an invented carrier are each named."""
    expected = recount(rows())
    assert differences(expected, recount(rows())) == []
    found = recount(rows())
    found["carriers"]["UA"]["aircraft"]["N2"]["distance"] += 1
    del found["carriers"]["UA"]["aircraft"]["N10"]
    found["carriers"]["XX"] = {}
    assert [fault.split(":")[0] for fault in differences(expected, found)] == [
        "carriers.UA.aircraft.N10",
        "carriers.UA.aircraft.N2.distance",
        "carriers.XX",
    ]


def test_the_graph_fans_out_twice_and_joins_twice() -> None:
    """Every way from the entry leads through both joins, and neither waits for itself."""
    order = ["split", "fleet", "aircraft", "roll_up", "total"]
    assert list(flow.routines) == order
    steps = [(c.source_routine_id, c.target_routine_id) for c in flow.connections]
    assert steps == list(pairwise(order))
    joins = [
        slot and slot.join for slot in (RollUp().get_slot("aircraft"), Total().get_slot("carriers"))
    ]
    assert joins == [Join.each("carrier", count="fleet"), Join.all()]


def test_the_routines_and_the_recount_agree_on_real_rows() -> None:
    """Hawaiian's flights of the real table, cut and added up in both ways."""
    lines = [
        row for row in data.flight_lines(data.locate()) if row.startswith("year") or ",HA," in row
    ]
    text = by_carrier(lines)["HA"].encode()
    found = {
        place.tail: asdict(
            Sums.of_rows(text[place.start : place.start + place.length].decode().splitlines())
        )
        for place in places(text.splitlines(keepends=True))
    }
    expected = recount(csv.DictReader(lines))["carriers"]["HA"]
    assert expected["flights"] == 342
    assert found == expected["aircraft"]
