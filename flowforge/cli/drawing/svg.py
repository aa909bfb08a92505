"""A flow as an SVG file that stands alone: with its own styles, for a light and a dark page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from flowforge.cli.drawing.subject import Subject, counts
from flowforge.cli.terminal.render import one_line
from flowforge.common.plain_text import clean

#: Characters of a line that fit into a box.
_FITS = 28

#: What XML 1.0 allows in no way.
_UNFIT = re.compile("[\ud800-\udfff\ufffe\uffff]")

_STYLE = """\
svg { background: #fff; font: 13px system-ui, sans-serif }
text { fill: #1c2430 } .dim { fill: #5b6675; font-size: 12px }
rect { fill: #f6f8fa; stroke: #8a94a3 }
.line { fill: none; stroke: #8a94a3; stroke-width: 1.5 } .head { fill: #8a94a3 }
.running rect { fill: #e3eefc; stroke: #1d63c9 } .completed rect { fill: #e5f5ea; stroke: #1b7f3b }
.failed rect { fill: #fde8e8; stroke: #c62828 }
.error_continued rect, .skipped rect { fill: #fff4dc; stroke: #9a6700 }
@media (prefers-color-scheme: dark) {
  svg { background: #14181f } text { fill: #e6eaf0 } .dim { fill: #a4afbd }
  rect { fill: #1e242d; stroke: #7d8896 }
  .line { stroke: #7d8896 } .head { fill: #7d8896 }
  .running rect { fill: #14294a; stroke: #6ea8ff }
  .completed rect { fill: #12301d; stroke: #5ac37d }
  .failed rect { fill: #401a1a; stroke: #ff8a80 }
  .error_continued rect, .skipped rect { fill: #3a2c0d; stroke: #e0b04a }
}"""

_WORDS = frozenset({"running", "completed", "failed", "error_continued", "skipped"})


def svg(subject: Subject, picture: Any) -> str:
    """The text of the file. ``picture``: of ``flowforge.web.graph.picture``."""
    return "\n".join(_lines(subject, picture)) + "\n"


def _lines(subject: Subject, picture: Any) -> Iterator[str]:
    width, height = round(picture.width), round(picture.height)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label={_attribute(subject.title)}>'
    )
    yield f"<title>{_text(subject.title)}</title>"
    yield f"<style>{_STYLE}</style>"
    yield (
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto-start-reverse"><path class="head" d="M0 0L8 4L0 8z"/>'
        "</marker></defs>"
    )
    for line in picture.paths:
        yield (
            f'<path class="line" d="{line.path}" marker-end="url(#arrow)">'
            f"<title>{_text(line.title)}</title></path>"
        )
    for box in picture.boxes:
        yield from _box(box, picture)
    yield "</svg>"


def _box(box: Any, picture: Any) -> Iterator[str]:
    status = str(box.state.get("status", ""))
    words = [counts(box.state)] if box.state else []
    lines = [box.title, *([status] if status else []), *words]
    yield f'<g class="{status if status in _WORDS else "box"}">'
    yield f"<title>{_text(', '.join([box.id, *lines[1:]]))}</title>"
    yield (
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{picture.box_width}" '
        f'height="{picture.box_height}" rx="10"/>'
    )
    first = box.y + (43 if len(lines) == 1 else 26)
    for place, line in enumerate(lines):
        weight = ' font-weight="600"' if place == 0 else ' class="dim"'
        shown = _text(one_line(line, _FITS))
        yield f'<text x="{box.x + 14:.1f}" y="{first + 18 * place:.1f}"{weight}>{shown}</text>'
    yield "</g>"


def _text(text: str) -> str:
    return escape(_fit(text))


def _attribute(text: str) -> str:
    return quoteattr(_fit(text))


def _fit(text: str) -> str:
    return _UNFIT.sub("\ufffd", clean(text))
