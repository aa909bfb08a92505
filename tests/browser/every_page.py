"""Which pages of the dashboard a list of addresses leaves out."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.routing import compile_path

from flowforge.web.views import PAGES


def left_out(addresses: Iterable[str]) -> list[str]:
    """Pages that none of these addresses is of, but for the questions of actions."""
    seen = [address.partition("?")[0] for address in addresses]
    asked = {page.path for page in PAGES if page.method == "POST"}
    return [
        page.path
        for page in PAGES
        if page.path not in asked and not any(compile_path(page.path)[0].match(one) for one in seen)
    ]
