"""Tables and numbers of the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from examples.flights.svg import signed

#: Where there is no number to show.
NOTHING = "\N{EN DASH}"


def minutes(value: float | None, digits: int = 1) -> str:
    return NOTHING if value is None else signed(f"{value:.{digits}f}")


def share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else NOTHING


def cell(html: str, kind: str = "") -> str:
    return f'<td class="{kind}">{html}</td>' if kind else f"<td>{html}</td>"


def row(name: str, *cells: str, kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f'<tr{attribute}><th scope="row">{name}</th>{"".join(cells)}</tr>'


def table(caption: str, heads: Sequence[str], rows: Iterable[str]) -> str:
    """The caption stays outside what scrolls sideways, so that a narrow screen can wrap it.

    ``heads`` that start with ``<`` are aligned left, as words are; the first always is.
    """
    cells = "".join(_head(head, index) for index, head in enumerate(heads))
    name = escape(caption)
    return (
        f'<div><p class="note">{name}</p><div class="scroll" role="group" tabindex="0" '
        f'aria-label="{name}"><table aria-label="{name}"><thead><tr>{cells}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></div>"
    )


def _head(head: str, index: int) -> str:
    words = index == 0 or head.startswith("<")
    kind = ' class="words"' if words else ""
    return f'<th scope="col"{kind}>{escape(head.removeprefix("<"))}</th>'
