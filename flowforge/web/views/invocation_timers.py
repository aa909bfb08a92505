"""Running an invocation at once that is on a timer, or at another time."""

from __future__ import annotations

from datetime import datetime, timedelta

from flowforge.common.bounded_repr import shown
from flowforge.common.duration import span_of
from flowforge.errors import FlowForgeError, InvalidValueError
from flowforge.web.page import Call, Leave, Page, View
from flowforge.web.security.identity import Role
from flowforge.web.views.mended_invocation import INVOCATION, Subject, of_invocation


def reschedule_form(_: Call, subject: Subject) -> View:
    """When it is to run."""
    return View("reschedule.html", subject.shown("reschedule", when=""))


def reschedule(call: Call, subject: Subject) -> View | Leave:
    """Change when the timer is over."""
    problem, when = subject.stale_text(call), str(call.form.get("when", "")).strip()
    if not problem:
        try:
            delay, at = _when(when)
            subject.engine.mending.reschedule(subject.job_id, delay, at, subject.number, subject.by)
        except FlowForgeError as error:
            problem = subject.refusal(call, error)
    if problem:
        context = subject.shown("reschedule", problem=problem, when=when)
        return View("reschedule.html", context, 409)
    return subject.back("has another time")


def _when(text: str) -> tuple[timedelta | None, datetime | None]:
    """A length of time from now, or a time, which is one of this process without a zone."""
    delay = span_of(text)
    if delay is not None:
        return delay, None
    try:
        return None, datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):
        raise InvalidValueError(
            f"{shown(text)} is no time: give one such as 30m, 2h or 2030-01-01T09:00+01:00"
        ) from None


def run_now_form(_: Call, subject: Subject) -> View:
    """What it does."""
    return View("run_now.html", subject.shown("run-now"))


def run_now(call: Call, subject: Subject) -> View | Leave:
    """Let the timer be over."""
    problem = subject.stale_text(call)
    if not problem:
        try:
            subject.engine.mending.run_now(subject.job_id, subject.number, subject.by)
        except FlowForgeError as error:
            problem = subject.refusal(call, error)
    if problem:
        return View("run_now.html", subject.shown("run-now", problem=problem), 409)
    return subject.back("runs")


PAGES = [
    page
    for name, form, handler in (
        ("run-now", run_now_form, run_now),
        ("reschedule", reschedule_form, reschedule),
    )
    for page in (
        Page(f"{INVOCATION}/{name}", of_invocation(form), Role.OPERATOR),
        Page(
            f"{INVOCATION}/{name}", of_invocation(handler), Role.OPERATOR, "POST",
            does=name.replace("-", " "),
        ),
    )
]  # fmt: skip
