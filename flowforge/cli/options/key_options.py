"""The options of ``run`` by which an earlier job stands for a new one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar, get_args

import click

from flowforge.cli.options.arguments import filled
from flowforge.cli.options.start_options import span
from flowforge.engine.submission.job_items import Submitted
from flowforge.engine.submission.job_keys import JobKeys, job_keys
from flowforge.errors import InvalidValueError
from flowforge.model.times.debounce import Debounce, Keep, WhenRunning

_Command = TypeVar("_Command", bound=Callable[..., Any])

#: How an earlier job was found -> what is said of it.
_FOUND = {
    "key": "found by its idempotency key",
    "debounce": "which waits for further calls and stands for this one too",
    "single": "which has the key and has not ended; nothing was started",
}


def key_options(command: _Command) -> _Command:
    """``--debounce`` and ``--single``, with what belongs to them."""
    for option in reversed(
        (
            click.option(
                "--debounce", "debounce_key", metavar="KEY", callback=filled,
                help="One job for all runs with KEY until none comes for a while.",
            ),
            click.option(
                "--debounce-wait", "wait", metavar="TIME", callback=span,
                help="How long after the latest run it starts: seconds, or 30m, 2h, 7d.",
            ),
            click.option(
                "--debounce-at-most", "at_most", metavar="TIME", callback=span,
                help="How long after the first run it starts at the latest.",
            ),
            click.option(
                "--keep", type=click.Choice(get_args(Keep)),
                help="Whose params it gets; all as the list `items`. The default is last.",
            ),
            click.option(
                "--single", metavar="KEY", callback=filled,
                help="Of the jobs of the flow with KEY one runs at a time.",
            ),
            click.option(
                "--when-running", type=click.Choice(get_args(WhenRunning)),
                help="What to do while one runs. The default is skip: nothing.",
            ),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def keys_of(
    debounce_key: str | None, wait: timedelta | None, at_most: timedelta | None,
    keep: Keep | None, single: str | None, when_running: WhenRunning | None,
) -> JobKeys | None:  # fmt: skip
    """What the options say; UsageError for those that miss the one that they belong to."""
    try:
        return job_keys(
            _debounce(debounce_key, wait, at_most, keep), single, _when(single, when_running)
        )
    except InvalidValueError as error:
        raise click.UsageError(str(error)) from error


def _debounce(
    key: str | None, wait: timedelta | None, at_most: timedelta | None, keep: Keep | None
) -> Debounce | None:
    if key is None:
        if (wait, at_most, keep) != (None, None, None):
            raise click.UsageError(
                "--debounce-wait, --debounce-at-most and --keep need --debounce KEY"
            )
        return None
    if wait is None:
        raise click.UsageError("--debounce needs --debounce-wait TIME")
    return Debounce(key, wait, at_most, keep or "last")


def _when(single: str | None, when: WhenRunning | None) -> WhenRunning:
    if when is not None and single is None:
        raise click.UsageError("--when-running needs --single KEY")
    return when or "skip"


def found_text(submitted: Submitted) -> str:
    """How the job was found that a run is given; empty for one that it has created."""
    return "" if submitted.created else f", {_FOUND[submitted.how]}"
