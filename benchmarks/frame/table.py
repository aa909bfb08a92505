"""The table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table

from benchmarks.frame.rows import Verdict
from benchmarks.frame.scale import Scale

_STYLES = {"met": "green", "NOT MET": "bold red", "no figure": "yellow"}


def print_table(verdicts: Sequence[Verdict], scale: Scale, console: Console) -> None:
    """One line for each row, with what is behind the figure below it."""
    sizes = "" if scale is Scale.FULL else f" ({scale.value}: smaller than the rows say)"
    table = Table(title=f"FlowForge side by side{sizes}", title_justify="left")
    table.add_column("measure", ratio=1)
    for name in ("target", "measured", ""):
        table.add_column(name, justify="right", no_wrap=True)
    for _, rows in groupby(verdicts, lambda verdict: verdict.group):
        for row in rows:
            text = f"{row.text}\n[dim]{row.detail}[/]" if row.detail else row.text
            word = f"[{_STYLES[row.word]}]{row.word}[/]" if row.word else ""
            table.add_row(text, row.target, row.figure, word)
        table.add_section()
    console.print(table)


def summary(verdicts: Sequence[Verdict]) -> str:
    """One line: how many targets were met."""
    judged = [verdict for verdict in verdicts if verdict.target]
    met = sum(verdict.met is True for verdict in judged)
    missing = sum(verdict.met is None for verdict in judged)
    text = f"{met} of {len(judged)} targets met"
    return f"{text}, {missing} without a figure" if missing else text
