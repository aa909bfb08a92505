"""The parts of a page that change while it is open."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup


class Fragments:
    """What a template has put between ``{% call live("name") %}`` and its end, by name.

    ``still``: the answer to a form, at whose address no page is that could be read again.
    """

    def __init__(self, *, still: bool = False) -> None:
        self.found: dict[str, str] = {}
        self._still = still

    def __call__(self, name: str, caller: Callable[[], str]) -> Markup:
        """The fragment in an element that the browser finds again."""
        text = caller()
        self.found[name] = str(text)
        if self._still:
            return Markup("<div>{}</div>").format(Markup(text))
        return Markup('<div data-live="{}">{}</div>').format(name, Markup(text))
