"""Tables that fit: first columns are left out, then names are cut."""

from __future__ import annotations

from flowforge.cli.fleet_screen.grid import Column, grid

COLUMNS = [Column("NAME", cut=True), Column("N", right=True), Column("MORE", spare=1)]


def test_all_of_it_where_there_is_room() -> None:
    assert grid(COLUMNS, [["a", "10", "x"]], 80) == ["NAME   N  MORE", "a     10  x"]


def test_what_is_least_needed_goes_first() -> None:
    rows = [["a" * 20, "10", "x" * 20]]
    assert grid(COLUMNS, rows, 36)[1] == "a" * 9 + "…  10  " + "x" * 20
    assert grid(COLUMNS, rows, 20)[1] == "a" * 15 + "…  10"


def test_a_column_without_anything_is_left_out() -> None:
    assert grid(COLUMNS, [["a", "10", ""]], 80) == ["NAME   N", "a     10"]
