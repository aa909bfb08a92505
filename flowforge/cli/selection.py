"""Which jobs a command is about: the options that choose them by what they are."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import click

from flowforge.common.bounded_repr import shown
from flowforge.model.labels import check_labels
from flowforge.model.status import JobStatus
from flowforge.store.finding import Query

F = TypeVar("F", bound=Callable[..., Any])

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_WHEN = "2h, 30m or 7d ago, or a time such as 2026-11-26T18:00, here unless it has a zone."


def _bound(_: click.Context, __: click.Parameter, text: str | None) -> datetime | timedelta | None:
    """Callback of an option that takes a time, or how long ago it was."""
    if text is None:
        return None
    if match := re.fullmatch(r"(\d{1,6})([smhdw])", text):
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter(f"{shown(text)} is no time: give {_WHEN}") from None


def label_values(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    """Callback of ``name=value`` options."""
    found: dict[str, str] = {}
    for item in texts:
        name, sign, value = item.partition("=")
        if not sign:
            raise click.BadParameter(f"{shown(item)} is not name=value")
        if name in found:
            raise click.BadParameter(f"{shown(name)} is given twice: a job has one value of each")
        found[name] = value
    try:
        return check_labels(found)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


_OPTIONS = (
    click.option(
        "--status",
        type=click.Choice([one.value for one in JobStatus]),
        help="Only jobs of this status.",
    ),
    click.option("--flow", metavar="FLOW", help="Only jobs of this flow."),
    click.option(
        "--label", "labels", metavar="NAME=VALUE", multiple=True, callback=label_values,
        help="Only jobs with this label. May be repeated.",
    ),
    click.option(
        "--since", metavar="TIME", callback=_bound, help=f"Only jobs created since {_WHEN}"
    ),
    click.option("--until", metavar="TIME", callback=_bound, help="Only jobs created until then."),
    click.option(
        "--text", metavar="TEXT",
        help="Only jobs with this in their id, flow, reason, error or idempotency key.",
    ),
)  # fmt: skip


def selection_options(command: F) -> F:
    """Add the options to a command, which gives them to ``query``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def query(after: str | None = None, *, flow: str | None, **given: Any) -> Query:
    """What the options ask for; UsageError for what they cannot."""
    try:
        return Query(flow_id=flow, after=after, **given)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
