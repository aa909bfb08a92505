"""Parts of a page that stand on it hundreds of times: a macro takes several times as long."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from markupsafe import Markup, escape

from flowforge.web.filters import clock, icon, moment


@lru_cache(256)
def status(word: str) -> Markup:
    """A status, or another word with a mark beside it."""
    name = word.replace(" ", "-")
    return Markup(
        f'<span class="status s-{escape(name)}"><span aria-hidden="true">{escape(icon(word))}'
        f"</span> {escape(word)}</span>"
    )


def time(at: datetime | None) -> Markup:
    """A time, which the browser shows in its own zone."""
    if not at:
        return Markup("\u2013")
    exact = moment(at)
    return Markup(f'<time datetime="{exact}" title="{exact}">{clock(at)}</time>')


def invocation(number: int | None, root: str, job_id: str) -> Markup:
    """A link to an invocation; nothing without a number."""
    if not number:
        return Markup()
    address = f"{escape(root)}/jobs/{escape(job_id)}/invocations/{number}"
    return Markup(f'<a href="{address}">{number}</a>')


MARKS = {"status_mark": status, "time_mark": time, "invocation_mark": invocation}
