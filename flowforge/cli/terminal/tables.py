"""Tables and pairs of names and values, on a terminal, in a file or in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from flowforge.cli.terminal.render import console
from flowforge.common.plain_text import unbroken

#: Rows of a table beyond which its columns are not fitted to the terminal: that takes half a
#: millisecond a row.
_FITTED = 500

#: What says how a column looks, before its name.
_MARKS = ">~<"

#: Blanks between two columns.
_GAP = "  "


def make_table(
    columns: Sequence[str], rows: Iterable[Sequence[str | Text]], title: str | None = None
) -> Table:
    """A table without lines. ``>name`` is a column aligned to the right. Where the terminal is
    narrow, a column ``~name`` is folded and a column ``<name`` is cut."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    if title is not None:
        table.title, table.title_justify, table.title_style = _cell(title), "left", "bold"
    for column in columns:
        table.add_column(
            column.lstrip(_MARKS),
            justify="right" if column.startswith(">") else "left",
            # Only what may wrap is made narrower; the cells of a column that is cut do not wrap.
            no_wrap=not column.startswith(("~", "<")),
            overflow="ellipsis" if column.startswith("<") else "fold",
        )
    for row in rows:
        cells = [_cell(cell) for cell in row]
        for cell, column in zip(cells, columns, strict=True):
            cell.no_wrap = column.startswith("<") or None
        table.add_row(*cells)
    return table


def _cell(content: str | Text) -> Text:
    """The content of a table's cell: on one line, so that no cell looks like a row."""
    text = Text(content) if isinstance(content, str) else content
    return Text(unbroken(text.plain), text.style)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """A table, as ``make_table`` makes it, on stdout."""
    screen = console()
    if not screen.is_terminal or len(rows) > _FITTED:
        click.echo("\n".join(column_lines(columns, rows)))
        return
    table = make_table(columns, rows)
    with screen.capture() as captured:
        screen.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def column_lines(columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> list[str]:
    """A table as lines: rows below each other, nothing folded and without the blanks that fill the
    last column.
    """
    names = [column.lstrip(_MARKS) for column in columns]
    cells = [names, *([unbroken(str(cell)) for cell in row] for row in rows)]
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
    return lines


def print_pairs(pairs: Iterable[tuple[str, str | Text]]) -> None:
    """Names and values below each other."""
    screen = console()
    for name, value in pairs:
        screen.print(Text(f"{name:<10} ", style="bold") + _cell(value), soft_wrap=True)
