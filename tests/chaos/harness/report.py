"""Telling what was measured: on the terminal, as JSON, in the documentation."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from tests.chaos.harness.round import Result

BEGIN = "<!-- measured: begin -->"
END = "<!-- measured: end -->"

#: A figure whose name ends with one of these is shown with its unit behind it.
_UNITS = ("s", "ms", "KiB", "MiB")


def line(result: Result) -> str:
    """One line for the terminal, and the violations below it."""
    word = "passed" if result.passed else "FAILED"
    told = f"{result.row:>3}  {result.name:<20} {word}  {result.seconds:7.1f} s  {_figures(result)}"
    return "\n".join([told, *(f"       ! {text}" for text in result.violations)])


def write_json(results: Iterable[Result], path: Path) -> None:
    """Every result with its figures, seed and violations."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n")


def table(results: Iterable[Result]) -> str:
    """The measured table in Markdown."""
    rows = [
        "| # | Fault | How it is made | What must hold | Measured | Result |",
        "|---|---|---|---|---|---|",
    ]
    for one in results:
        verdict = "passed" if one.passed else f"**failed** ({len(one.violations)})"
        cells = (str(one.row), one.fault, one.injection, one.target, _figures(one), verdict)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def update_document(results: list[Result], path: Path) -> None:
    """Replace what stands between the markers of a document; ValueError when they are missing."""
    text = path.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no {BEGIN} ... {END}")
    path.write_text(f"{before}{BEGIN}\n{_about(results)}\n\n{table(results)}\n{END}{after}")


def _about(results: list[Result]) -> str:
    first = results[0]
    minutes = sum(one.seconds for one in results) / 60
    return (
        f"Seed {first.seed}, scale {first.scale:g}, profile `{first.profile}`, "
        f"Python {platform.python_version()}. The rounds took {minutes:.0f} minutes, added up."
    )


def _figures(result: Result) -> str:
    return "; ".join(_figure(name, value) for name, value in result.figures.items())


def _figure(name: str, value: object) -> str:
    """``recovered in s``, 1.27 is "recovered in 1.3 s"; ``kills``, 200 is "200 kills"."""
    text, _, unit = name.rpartition(" ")
    if unit in _UNITS:
        return f"{text} {_number(value)} {unit}"
    return f"{name} {value}" if isinstance(value, str) else f"{_number(value)} {name}"


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2g}" if abs(value) < 10 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
