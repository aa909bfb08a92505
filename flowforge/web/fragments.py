"""The parts of a page that change while it is open."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup


class Fragments:
    """What a template has put between ``{% call live("name") %}`` and its end, by name."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def __call__(self, name: str, caller: Callable[[], str]) -> Markup:
        """The fragment in an element that the browser finds again."""
        text = caller()
        self.found[name] = str(text)
        return Markup('<div data-live="{}">{}</div>').format(name, Markup(text))
