"""Recounts every aircraft straight from the CSV and compares: ``python -m examples.nested.check``.

It shares nothing with the routines but the place of the archive, and the figures must be equal, not
close. Exit status 1 when one differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from examples.flights.check import Row, source_rows

Figures = dict[str, Any]


def recount(rows: Iterable[Row], first_carriers: int = 0) -> Figures:
    by_carrier: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        by_carrier.setdefault(row["carrier"], {}).setdefault(row["tailnum"], []).append(row)
    chosen = sorted(by_carrier)[: first_carriers or None]
    carriers = {carrier: carrier_figures(by_carrier[carrier]) for carrier in chosen}
    every = [row for carrier in chosen for own in by_carrier[carrier].values() for row in own]
    aircraft = sum(len(by_carrier[carrier]) for carrier in chosen)
    return {**figures(every), "aircraft": aircraft, "carriers": carriers}


def carrier_figures(fleet: Mapping[str, list[Row]]) -> Figures:
    whole = figures(row for own in fleet.values() for row in own)
    return {**whole, "aircraft": {tail: figures(own) for tail, own in fleet.items()}}


def figures(rows: Iterable[Row]) -> Figures:
    own = list(rows)
    return {
        "flights": len(own),
        "distance": sum(int(row["distance"]) for row in own),
        "air_time": sum(int(row["air_time"]) for row in own if row["air_time"] != "NA"),
    }


def differences(expected: Mapping[str, Any], found: Mapping[str, Any], path: str = "") -> list[str]:
    """One line for each figure that is missing, wrong, or not in the CSV."""
    faults: list[str] = []
    for key in sorted(expected.keys() | found.keys()):
        right, other = expected.get(key), found.get(key)
        if isinstance(right, Mapping) and isinstance(other, Mapping):
            faults += differences(right, other, f"{path}{key}.")
        elif right != other:
            faults.append(f"{path}{key}: nested.json has {other!r}, the CSV gives {right!r}")
    return faults


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build", help="where the job wrote (default: build)")
    parser.add_argument("--carriers", type=int, default=0, help="the job took only the first N")
    options = parser.parse_args(arguments)
    expected = recount(source_rows(), options.carriers)
    text = (Path(options.build) / "nested.json").read_text("utf-8")
    faults = differences(expected, json.loads(text))
    for fault in faults[:20]:
        print(fault, file=sys.stderr)
    if not faults:
        print(
            f"nested.json agrees with the CSV: {expected['flights']:,} flights of "
            f"{expected['aircraft']:,} aircraft, every figure."
        )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
