"""``flowforge label``: setting and removing labels of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from flowforge.cli.audited import audited
from flowforge.cli.control import each_job, reason_option
from flowforge.cli.options.arguments import by_option, controlled_jobs_argument
from flowforge.cli.options.bulk_options import act_on_all, bulk_options, bulk_wanted
from flowforge.cli.options.selection import label_values
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import json_option
from flowforge.model.jobs.bulk import BulkAction
from flowforge.model.jobs.labels import label_changes


def _names(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> dict[str, str]:
    try:
        return label_changes(dict.fromkeys(names))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command("label")
@controlled_jobs_argument
@click.option(
    "--set", "kept", metavar="NAME=VALUE", multiple=True, callback=label_values,
    help="A label to set. May be repeated.",
)  # fmt: skip
@click.option(
    "--remove", "gone", metavar="NAME", multiple=True, callback=_names,
    help="A label to take away. May be repeated.",
)  # fmt: skip
@bulk_options
@reason_option
@by_option
@json_option
@pass_session
@audited("label")
def label(
    session: Session,
    /,
    job_ids: Sequence[str],
    kept: dict[str, str],
    gone: dict[str, str],
    reason: str,
    by: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Set labels of jobs, or take them away."""
    changes = {**gone, **kept}
    if not changes:
        raise click.UsageError("give --set NAME=VALUE or --remove NAME")
    if bulk_wanted(job_ids, options):
        act_on_all(
            session, BulkAction.LABEL, options, as_json, by=by, reason=reason, labels=changes
        )
    elif reason or by:
        raise click.UsageError("--reason and --by are for --all-matching")
    else:
        each_job(session, job_ids, as_json, lambda engine, one: engine.label(one, changes))
