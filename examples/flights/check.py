"""Recounts the flights straight from the CSV and compares: ``python -m examples.flights.check``.

It shares nothing with the routines but the place of the archive: another parser, another loop,
another order of sums. The figures must be equal, not close. Exit status 1 when one differs.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import sys
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from examples.flights.data import locate

Row = dict[str, str]


def source_rows(first_days: int = 0) -> list[Row]:
    archive = zipfile.ZipFile(locate() / "flights.csv.zip")
    with archive, archive.open("flights.csv") as member:
        rows = list(csv.DictReader(io.TextIOWrapper(member, encoding="utf-8", newline="")))
    if not first_days:
        return rows
    chosen = set(sorted({day_of(row) for row in rows})[:first_days])
    return [row for row in rows if day_of(row) in chosen]


def day_of(row: Row) -> tuple[int, int, int]:
    return int(row["year"]), int(row["month"]), int(row["day"])


def mean(rows: Iterable[Row], column: str) -> float | None:
    values = [int(row[column]) for row in rows if row[column] != "NA"]
    return sum(values) / len(values) if values else None


def cancelled(rows: Iterable[Row]) -> int:
    return sum(row["dep_time"] == "NA" for row in rows)


def recount(rows: list[Row]) -> dict[str, Any]:
    by_carrier: dict[str, list[Row]] = {}
    for row in rows:
        by_carrier.setdefault(row["carrier"], []).append(row)
    return {
        "flights": len(rows),
        "cancelled": cancelled(rows),
        "days": len({day_of(row) for row in rows}),
        "mean_dep_delay": mean(rows, "dep_delay"),
        "mean_arr_delay": mean(rows, "arr_delay"),
        "carriers": {
            carrier: {
                "flights": len(own),
                "cancelled": cancelled(own),
                "mean_arr_delay": mean(own, "arr_delay"),
            }
            for carrier, own in by_carrier.items()
        },
    }


def differences(expected: Mapping[str, Any], found: Mapping[str, Any], path: str = "") -> list[str]:
    """One line for each figure that is not equal, and for each carrier that the CSV lacks."""
    faults: list[str] = []
    for key, value in expected.items():
        other = found.get(key)
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            faults += differences(value, other, f"{path}{key}.")
            faults += [
                f"{path}{key}.{extra} is not in the CSV" for extra in set(other) - set(value)
            ]
        elif other != value:
            faults.append(f"{path}{key}: flights.json has {other!r}, the CSV gives {value!r}")
    return faults


def page_faults(html: str, flights: int) -> list[str]:
    """A page must show the total and must load nothing from anywhere."""
    faults = [] if f"{flights:,}" in html else [f"the page does not show {flights:,} flights"]
    loads = re.findall(r"(?:<script|<link|<img|\bsrc=|url\((?!#)|@import)[^>]{0,60}", html)
    return faults + [f"the page loads something: {load}" for load in loads]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build", help="where the job wrote (default: build)")
    parser.add_argument("--days", type=int, default=0, help="the job took only the first N days")
    options = parser.parse_args(arguments)
    build = Path(options.build)
    expected = recount(source_rows(options.days))
    faults = differences(expected, json.loads((build / "flights.json").read_text("utf-8")))
    faults += page_faults((build / "flights.html").read_text("utf-8"), expected["flights"])
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(f"flights.json agrees with the CSV: {expected['flights']:,} flights, every figure.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
