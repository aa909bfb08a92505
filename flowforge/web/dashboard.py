"""What all pages of one dashboard share."""

from __future__ import annotations

import functools
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
from itsdangerous import BadData, URLSafeTimedSerializer

from flowforge.engine.engine import Submitter
from flowforge.store.job_reads.routine_states import counted_attempts, ended_invocations, failures
from flowforge.web import filters, work_words
from flowforge.web.audit import Audit
from flowforge.web.marks import MARKS
from flowforge.web.needs import Needs
from flowforge.web.security.sessions import Sessions


@dataclass(frozen=True)
class Dashboard:
    """``submitter``: what its jobs were given to. ``read_only``: no user changes anything."""

    submitter: Submitter
    sessions: Sessions
    templates: jinja2.Environment
    sayings: URLSafeTimedSerializer
    read_only: bool
    audit: Audit
    needs: Needs = field(default_factory=Needs)

    def saying(self, text: str) -> str:
        """A sentence for the next page, as its cookie has it."""
        return str(self.sayings.dumps(text[:500]))

    def said(self, cookie: str) -> str:
        """The sentence of such a cookie; empty for any other."""
        try:
            return str(self.sayings.loads(cookie, max_age=60)) if cookie else ""
        except BadData:
            return ""


@functools.cache
def templates() -> jinja2.Environment:
    """The templates, the same for all dashboards: everything that they show is escaped."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(filters.FILTERS)
    made.globals.update(MARKS)
    made.filters.update(amount=work_words.amount, waits=work_words.waits)
    made.filters.update(
        ended_invocations=ended_invocations, counted_attempts=counted_attempts, failures=failures
    )
    return made


def made_secret(given: str | None) -> str:
    """The secret that signs cookies: a new one for the process when none is given."""
    return given or secrets.token_urlsafe(32)
