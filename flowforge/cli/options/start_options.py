"""The options that say when something is to start."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import click

from flowforge.common.bounded_repr import shown
from flowforge.common.duration import span_of
from flowforge.errors import InvalidValueError

_Command = TypeVar("_Command", bound=Callable[..., Any])
_Found = TypeVar("_Found")


def usable(make: Callable[..., _Found], *values: Any) -> _Found:
    """What is made of options; a usage error when they are unfit."""
    try:
        return make(*values)
    except InvalidValueError as error:
        raise click.UsageError(str(error)) from error


def span(_: click.Context, __: click.Parameter, text: str | None) -> timedelta | None:
    """Callback of an option that takes a length of time."""
    if text is None:
        return None
    if (found := span_of(text)) is not None:
        return found
    raise click.BadParameter(f"{shown(text)} is no length of time: give seconds, or 30m, 2h or 7d")


def moment(_: click.Context, __: click.Parameter, text: str | None) -> datetime | None:
    """Callback of an option that takes a time; one without a zone is one here."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter(
            f"{shown(text)} is no time: give one such as 2026-11-26T18:00, which is one here "
            "unless it has a zone"
        ) from None


def deadline_options(command: _Command) -> _Command:
    """``--start-within`` and ``--finish-within``."""
    command = click.option(
        "--finish-within", metavar="TIME", callback=span,
        help="It fails unless it has ended by then: seconds, or 30m, 2h, 7d.",
    )(command)  # fmt: skip
    return click.option(
        "--start-within", metavar="TIME", callback=span,
        help="It fails unless a handler has started by then: seconds, or 30m, 2h, 7d.",
    )(command)  # fmt: skip


def start_options(command: _Command) -> _Command:
    """``--delay`` and ``--at``."""
    command = click.option(
        "--at", metavar="TIME", callback=moment,
        help="When it starts, such as 2026-11-26T18:00, here unless it has a zone.",
    )(command)  # fmt: skip
    return click.option(
        "--delay", metavar="TIME", callback=span,
        help="How long from now it starts: seconds, or 30m, 2h, 7d.",
    )(command)  # fmt: skip
