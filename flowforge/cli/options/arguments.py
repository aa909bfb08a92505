"""Arguments that several commands take."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import click

from flowforge.cli.terminal.render import say
from flowforge.codec.plain import read_json
from flowforge.common.bounded_repr import shown
from flowforge.common.duration import UNITS
from flowforge.model.invocation_id import JOB_ID, is_task_id, job_of_task
from flowforge.store.job_reads.job_rows import job_not_found

_Command = TypeVar("_Command", bound=Callable[..., Any])

#: What ``time_or_ago`` takes, for people.
TIME_FORMS = "2h, 30m or 7d ago, or a time such as 2026-11-26T18:00, here unless it has a zone."


def json_value(_: click.Context, __: click.Parameter, text: str | None) -> Any:
    """Callback of an option that takes a JSON value; None when it was not given."""
    if text is None:
        return None
    try:
        return read_json(text)
    except ValueError as error:
        raise click.BadParameter(f"{shown(text)} is no JSON: {error}") from error


def json_object(ctx: click.Context, option: click.Parameter, text: str | None) -> Any:
    """Callback of an option that takes a JSON object; None when it was not given."""
    value = json_value(ctx, option, text)
    if value is not None and not isinstance(value, dict):
        raise click.BadParameter("it must be a JSON object")
    return value


def time_or_ago(
    _: click.Context, __: click.Parameter, text: str | None
) -> datetime | timedelta | None:
    """Callback of an option that takes a time, or how long ago it was; a time without a zone is
    one here.
    """
    if text is None:
        return None
    if match := re.fullmatch(r"(\d{1,6})([smhdw])", text):
        return timedelta(**{UNITS[match[2]]: int(match[1])})
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter(f"{shown(text)} is no time: give {TIME_FORMS}") from None


def filled(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """Callback of an option whose value must not be empty."""
    if text == "":
        raise click.BadParameter("it must not be empty")
    return text


def pairs(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, Any]:
    """Callback of ``name=value`` options; a value that does not read as JSON is text."""
    found = {}
    for item in texts:
        name, sign, text = item.partition("=")
        if not sign or not name:
            raise click.BadParameter(f"{item!r} is not name=value")
        try:
            found[name] = read_json(text)
        except ValueError:
            found[name] = text
    return found


def checked_job_id(text: str) -> str:
    """Return what can be a job's id; JobNotFoundError for other text, which could name a key."""
    if not re.fullmatch(JOB_ID, text):
        raise job_not_found(text)
    return text


def _job_or_invocation(_: click.Context, __: click.Parameter, text: str) -> str:
    if not is_task_id(text):
        return checked_job_id(text)
    say(_invocation(text), err=True)
    return job_of_task(text)


def _optional(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    return None if text is None else _job_or_invocation(context, parameter, text)


def _controlled_jobs(
    context: click.Context, _: click.Parameter, texts: tuple[str, ...]
) -> tuple[str, ...]:
    for text in texts:
        if is_task_id(text):
            raise click.BadParameter(
                f"{_invocation(text)}, and only a whole job can be controlled: "
                f"{context.info_name} {job_of_task(text)}"
            )
    return tuple(dict.fromkeys(texts))


def _invocation(text: str) -> str:
    return f"{text} is invocation {text.rpartition('-')[2]} of job {job_of_task(text)}"


#: The job of a command that reads; the id of an invocation, as logs have it, stands for its job.
job_argument = click.argument("job_id", metavar="JOB", callback=_job_or_invocation)

#: The same where the job can be named otherwise.
optional_job_argument = click.argument(
    "job_id", metavar="[JOB]", required=False, callback=_optional
)

#: The jobs of a command that changes them. They are checked one by one, with ``checked_job_id``.
controlled_jobs_argument = click.argument(
    "job_ids", metavar="[JOB]...", nargs=-1, callback=_controlled_jobs
)

invocation_argument = click.argument("invocation", metavar="INVOCATION", type=click.IntRange(min=1))

new_params_option = click.option(
    "--new-params", is_flag=True,
    help="Params are meant that were not there before, and that FlowForge does not know of.",
)  # fmt: skip

by_option = click.option(
    "--by", metavar="NAME", help="Who does it, for the history; default: user@host."
)


def edits(
    _: click.Context, __: click.Parameter, texts: tuple[str, ...]
) -> dict[int, dict[str, Any]]:
    """Callback of ``N:name=value`` options: what is changed, by the number of the invocation."""
    found: dict[int, dict[str, Any]] = {}
    for item in texts:
        number, sign, pair = item.partition(":")
        if not sign or not number.isascii() or not number.isdigit():
            raise click.BadParameter(f"{item!r} is not INVOCATION:name=value, as in 5:amount=20")
        found.setdefault(int(number), {}).update(pairs(_, __, (pair,)))
    return found


def params_options(one: str, whole: str) -> Callable[[_Command], _Command]:
    """The options by which a command takes params: ``--param`` as the argument ``given``,
    ``--params-json`` as ``params_json``, which is None when it was not given. With their helps.
    """

    def add(command: _Command) -> _Command:
        command = click.option("--params-json", metavar="JSON", callback=json_object, help=whole)(
            command
        )
        return click.option(
            "--param", "given", metavar="K=V", multiple=True, callback=pairs, help=one
        )(command)

    return add
