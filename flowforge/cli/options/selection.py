"""Which jobs a command is about: the options that choose them by what they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from flowforge.cli.options.arguments import TIME_FORMS, time_or_ago
from flowforge.common.bounded_repr import shown
from flowforge.model.jobs.labels import check_labels
from flowforge.model.jobs.status import JobStatus
from flowforge.store.fleet_reads.finding import Query

F = TypeVar("F", bound=Callable[..., Any])


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
        "--since", metavar="TIME", callback=time_or_ago,
        help=f"Only jobs created since {TIME_FORMS}",
    ),
    click.option(
        "--until", metavar="TIME", callback=time_or_ago, help="Only jobs created until then."
    ),
    click.option(
        "--text", metavar="TEXT",
        help="Only jobs with this in their id, flow, reason, error or idempotency key.",
    ),
    click.option(
        "--error", metavar="GROUP",
        help="Only jobs that failed for this group of errors, as `flowforge errors` shows it.",
    ),
    click.option("--parent", metavar="JOB_ID", help="Only jobs that handlers of this job started."),
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
