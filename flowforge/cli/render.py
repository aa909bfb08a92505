"""How things look on a terminal, and in a file or pipe where nobody can scroll sideways.

Everything that a command prints passes one of the functions here, and each cleans what it is given
at the last step: a name, a reason or a status may hold what a terminal obeys.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import click
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flowforge.cli.plain import to_json

#: Columns where the output is no terminal: nothing is folded or cut.
_UNFOLDED = 10_000

#: Rows of a table beyond which its columns are not fitted to the terminal: that takes half a
#: millisecond a row.
_FITTED = 500

#: Blanks between two columns.
_GAP = "  "

#: What a terminal might obey: C0 and C1 controls but tab and newline, line separators, and the
#: marks that turn text around, annotate it or are not seen.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb]"
)

#: What begins another line or column.
_BREAKS = re.compile("[\t\n]+")

_STYLES = {
    "completed": "green",
    "failed": "red",
    "fail": "red",
    "cancelled": "magenta",
    "paused": "yellow",
    "warn": "yellow",
    "running": "cyan",
    "ok": "green",
    "error_continued": "yellow",
    "skipped": "yellow",
}

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")


def say(text: str = "", *, err: bool = False) -> None:
    """A text, cleaned, with its own line breaks."""
    click.echo(clean(text), err=err)


def print_text(text: Text) -> None:
    """One line with its colours."""
    console().print(_cleaned(text), soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document on stdout: indented for a person, one line for a program."""
    click.echo(to_json(value, 2 if sys.stdout.isatty() else None))


def console(*, stderr: bool = False) -> Console:
    """A console that takes texts as they are; without colour when Celery was asked for none."""
    context = click.get_current_context(silent=True)
    plain_wanted = context is not None and context.find_root().params.get("no_color")
    made = Console(
        stderr=stderr, highlight=False, markup=False, emoji=False, no_color=plain_wanted or None
    )
    if not made.is_terminal:
        made.width = _UNFOLDED
    return made


def clean(text: str) -> str:
    """The text with control characters visible instead of obeyed."""
    return _CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _one_line(text: str) -> str:
    return clean(_BREAKS.sub(" ", text))


def one_line(text: str, most: int = 200) -> str:
    """The text on one line of at most ``most`` characters."""
    line = _one_line(" ".join(text.split()))
    return line if len(line) <= most else f"{line[: most - 1]}…"


def compact(value: Any, most: int = 200) -> str:
    """A value as JSON on one line, cut when it is long."""
    return one_line(to_json(value), most)


def status_text(status: str) -> Text:
    return Text(status, style=_STYLES.get(status, ""))


def local_time(at: datetime, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """The time here, for people; JSON output has the time zone."""
    return at.astimezone().strftime(form)


def duration(seconds: float) -> str:
    """A length of time with three figures at most, for example ``12.3 ms`` or ``2 h 5 min``."""
    if seconds < 1:
        return f"{seconds * 1000:.{1 if seconds < 0.1 else 0}f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h" if hours % 24 else f"{hours // 24} d"


def amounts(counts: dict[str, int]) -> str:
    """``2 queued, 1 running``: what is not zero, or ``none``."""
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"


def make_table(
    columns: Sequence[str], rows: Iterable[Sequence[str | Text]], title: str | None = None
) -> Table:
    """A table without lines. ``>name`` is a column aligned to the right, ``~name`` one that is
    folded where the terminal is narrow."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    if title is not None:
        table.title, table.title_justify, table.title_style = _cell(title), "left", "bold"
    for column in columns:
        table.add_column(
            column.lstrip(">~"),
            justify="right" if column.startswith(">") else "left",
            no_wrap=not column.startswith("~"),
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(_cell(cell) for cell in row))
    return table


def _cell(content: str | Text) -> Text:
    """The content of a table's cell: on one line, so that no cell looks like a row."""
    text = Text(content) if isinstance(content, str) else content
    return Text(_one_line(text.plain), text.style)


def _cleaned(text: Text) -> Text:
    shown = Text(style=text.style)
    for part in text.divide([bound for span in text.spans for bound in (span.start, span.end)]):
        style = part.spans[0].style if part.spans else ""
        shown.append(_one_line(part.plain), style)
    return shown


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """A table, as ``make_table`` makes it, on stdout."""
    screen = console()
    if not screen.is_terminal or len(rows) > _FITTED:
        _print_columns(columns, rows)
        return
    table = make_table(columns, rows)
    with screen.capture() as captured:
        screen.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def _print_columns(columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """Rows below each other, nothing folded and without the blanks that fill the last column."""
    names = [column.lstrip(">~") for column in columns]
    cells = [names, *([_one_line(str(cell)) for cell in row] for row in rows)]
    lengths = [[cell_len(cell) for cell in row] for row in cells]
    widths = [max(column) for column in zip(*lengths, strict=True)]
    lines = []
    for row, taken in zip(cells, lengths, strict=True):
        padded = (
            " " * (width - length) + cell
            if column.startswith(">")
            else cell + " " * (width - length)
            for column, cell, length, width in zip(columns, row, taken, widths, strict=True)
        )
        lines.append(_GAP.join(padded).rstrip())
    click.echo("\n".join(lines))


def print_pairs(pairs: Iterable[tuple[str, str | Text]]) -> None:
    """Names and values below each other."""
    screen = console()
    for name, value in pairs:
        screen.print(Text(f"{name:<10} ", style="bold") + _cell(value), soft_wrap=True)
