"""``python -m benchmarks.page``: put the figures of ``build/bench.json`` into the documentation.

What stands between the two markers of docs/explanation/performance.md is replaced; the rest of the
page is written by hand. ``--check`` changes nothing and fails where page and report differ.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.frame.report import read_verdicts
from benchmarks.frame.rows import Verdict, show
from benchmarks.frame.stage import ROOT
from benchmarks.frame.table import summary

PAGE = ROOT / "docs/explanation/performance.md"
REPORT = ROOT / "build" / "bench.json"

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

#: Columns of the table of medians: figure, heading.
_COLUMNS = (
    ("steps_per_s", "steps/s"),
    ("wall_us", "wall us"),
    ("worker_us", "worker CPU us"),
    ("server_us", "server CPU us"),
)


def render(report: dict[str, Any]) -> str:
    """Everything that stands between the markers."""
    verdicts = read_verdicts(report)
    return "\n".join([*_heading(report, verdicts), "", *_rows(verdicts), *_medians(report)])


def replaced(page: str, figures: str, markers: tuple[str, str] = (BEGIN, END)) -> str:
    """The page with new figures between the markers; ValueError when it lacks them."""
    first, last = markers
    before, begin, rest = page.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"the page has no {first} and {last}")
    return f"{before}{first}\n{figures}\n{last}{after}"


def _heading(report: dict[str, Any], verdicts: list[Verdict]) -> Iterable[str]:
    machine, versions, code = report["machine"], report["versions"], report["code"]
    named = ", ".join(f"{name} {version}" for name, version in versions.items() if name != "server")
    yield f"`{report['command']}`, {report['began']} to {report['ended']}."
    yield f"Medians of {report['rounds']} rounds; {summary(verdicts)}."
    yield ""
    yield f"- Machine: {machine['cores']} cores, {machine['processor']}, {machine['system']}"
    yield f"- Versions: {named}; {versions['server'].split(' sha=')[0]}"
    yield f"- Code: flowforge/ with SHA-256 `{code['package_sha256'][:16]}`"


def _rows(verdicts: list[Verdict]) -> Iterable[str]:
    for group, rows in groupby(verdicts, lambda verdict: verdict.group):
        yield f"### {group}"
        yield ""
        yield "| Measure | Target | Measured | | Behind it |"
        yield "|---|--:|--:|---|---|"
        for row in rows:
            yield _line(row.text, row.target, row.figure, row.word, row.detail)
        yield ""


def _medians(report: dict[str, Any]) -> Iterable[str]:
    yield "### Medians of every trial that counts steps"
    yield ""
    yield _line("Trial", *(heading for _, heading in _COLUMNS))
    yield "|---|" + "--:|" * len(_COLUMNS)
    for trial, figures in report["medians"].items():
        if "steps_per_s" in figures:
            yield _line(f"`{trial}`", *(show(figures[name]) for name, _ in _COLUMNS))


def _line(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--report", type=Path, default=REPORT)
    parser.add_argument("--page", type=Path, default=PAGE)
    arguments = parser.parse_args()
    try:
        report = json.loads(arguments.report.read_text())
    except FileNotFoundError:
        print(f"{arguments.report} is not there: run `make bench` first", file=sys.stderr)
        return 2
    old = arguments.page.read_text()
    new = replaced(old, render(report))
    if arguments.check:
        return 0 if new == old else 1
    arguments.page.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
