"""Just enough SVG: elements, a linear scale with round ticks, an axis and an accessible frame."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape

Attribute = str | float | int


def element(name: str, *children: str, **attributes: Attribute) -> str:
    """``class_`` and ``stroke_width`` become ``class`` and ``stroke-width``."""
    pairs = (f' {_name(key)}="{escape(_text(value))}"' for key, value in attributes.items())
    return f"<{name}{''.join(pairs)}>{''.join(children)}</{name}>"


def _name(key: str) -> str:
    return key.removesuffix("_").replace("_", "-")


def _text(value: Attribute) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def signed(number: str) -> str:
    """With a typographic minus, which is as wide as a digit and is read out as a minus."""
    return number.replace("-", "\N{MINUS SIGN}")


def text(x: float, y: float, words: str, class_: str = "", anchor: str = "middle") -> str:
    return element("text", escape(words), x=x, y=y, class_=class_, text_anchor=anchor)


def hint(words: str) -> str:
    """What a pointer resting on the mark shows."""
    return element("title", escape(words))


def frame(width: int, height: int, title: str, description: str, *marks: str) -> str:
    """An image with a name and a description: what a screen reader says in its place."""
    return (
        f'<div class="scroll" role="group" tabindex="0" aria-label="{escape(title)}">'
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}. '
        f'{escape(description)}">{"".join(marks)}</svg></div>'
    )


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers from at or below ``low`` to at or above ``high``, at least two."""
    if low == high:
        high = low + 1
    span = high - low
    magnitude = 10 ** math.floor(math.log10(span / wanted))
    steps = (factor * magnitude for factor in (1, 2, 2.5, 5, 10, 20))
    step = next(step for step in steps if step * wanted >= span)
    last = math.ceil(high / step)
    return [round(n * step, 10) for n in range(math.floor(low / step), last + 1)]


class Scale:
    """Data to pixels, over the round ticks that enclose the data."""

    def __init__(self, values: Iterable[float], start: float, end: float, wanted: int = 5) -> None:
        known = list(values) or [0.0]
        self.ticks = ticks(min(known), max(known), wanted)
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return self._start + (value - low) / (high - low) * (self._end - self._start)


def grid(scale: Scale, left: float, right: float) -> str:
    """Horizontal lines with their values at the left; the zero line is stronger."""
    lines = []
    for tick in scale.ticks:
        y = scale(tick)
        kind = "zero" if tick == 0 else "grid"
        lines.append(element("line", x1=left, x2=right, y1=y, y2=y, class_=kind))
        lines.append(text(left - 8, y + 4, signed(f"{tick:g}"), "tick", "end"))
    return "".join(lines)
