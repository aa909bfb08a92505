"""Commands that change something are kept in the audit stream: who, what, which jobs, why."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from flowforge.cli.error_text import error_text
from flowforge.cli.group import CommandFailedError
from flowforge.cli.session import Session
from flowforge.cli.terminal.render import one_line
from flowforge.engine.finding.audit import tell
from flowforge.engine.operator_name import operator_name
from flowforge.errors import FlowForgeError
from flowforge.execution.secret_texts import without_values
from flowforge.model.jobs.audit import AuditOutcome, AuditRecord, AuditVia

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: Characters of an error, and invocations, that an entry tells of.
_TOLD = 500
_NAMED = 10

#: The name of the mark that a command has which is kept.
MARK = "flowforge_audited"


def audited(
    action: str, when: Callable[[dict[str, Any]], object] = lambda _: True
) -> Callable[
    [Callable[Concatenate[Session, _P], _R]], Callable[Concatenate[Session, _P], _R]
]:  # fmt: skip
    """Keep what the command does under this name. ``when``: says of its options whether it changes
    anything. ``--all-matching`` is kept where it begins: its jobs are those of a search.
    """

    def decorate(
        command: Callable[Concatenate[Session, _P], _R],
    ) -> Callable[Concatenate[Session, _P], _R]:
        @functools.wraps(command)
        def call(session: Session, /, *args: _P.args, **options: _P.kwargs) -> _R:
            if options.get("all_matching") or not when(dict(options)):
                return command(session, *args, **options)
            try:
                result = command(session, *args, **options)
            except click.exceptions.Exit as left:
                outcome = AuditOutcome.REFUSED if left.exit_code else AuditOutcome.DONE
                _keep(session, action, options, outcome, getattr(left, "why", ""))
                raise
            except (FlowForgeError, CommandFailedError) as error:
                _keep(session, action, options, AuditOutcome.REFUSED, _why(error, options))
                raise
            _keep(session, action, options, AuditOutcome.DONE, "")
            return result

        setattr(call, MARK, action)
        return call

    return decorate


def _keep(session: Session, action: str, options: Any, outcome: AuditOutcome, what: str) -> None:
    job_ids = [str(one) for one in options.get("job_ids") or [options.get("job_id")] if one]
    try:
        engine = session.engine(job_ids[0]) if job_ids else session.engines()[0]
        by = operator_name(options.get("by"))
    except FlowForgeError:
        return
    reason = str(options.get("reason") or "")
    about = _subject(options) or _invocations(options)
    what = ": ".join(part for part in (about, what) if part)
    tell(
        engine,
        AuditRecord(by, AuditVia.COMMAND_LINE, action, outcome, "", tuple(job_ids), reason, what),
    )


def _subject(options: Mapping[str, Any]) -> str:
    """The queue or the limit that the command is about, with what is set for it."""
    if options.get("queue"):
        return f"queue {one_line(options['queue'])}"
    if options.get("limit") and isinstance(options["limit"], str):
        return one_line(" ".join(["limit", options["limit"], *options.get("settings", ())]), _TOLD)
    return ""


def _why(error: Exception, options: Mapping[str, Any]) -> str:
    """The error's message on one line. Params that were given may be secret: where one of them
    cannot be blanked out with certainty, the kind of the error alone.
    """
    told = without_values(error_text(error), _params(options))
    return type(error).__name__ if told is None else one_line(told, _TOLD)


def _params(options: Mapping[str, Any]) -> Iterator[Any]:
    """The values of all params that the command was given."""
    given = [
        options.get("given"),
        options.get("params_json"),
        *(options.get("edit") or {}).values(),
    ]
    given += [params for _, params in options.get("emit") or ()]
    for params in given:
        yield from (params or {}).values()


def _invocations(options: Mapping[str, Any]) -> str:
    """Those that the command is about, by their numbers."""
    numbers = list(options.get("invocations") or options.get("edit") or ())
    if options.get("invocation"):
        numbers = [options["invocation"]]
    if not numbers:
        return ""
    some = ", ".join(map(str, numbers[:_NAMED])) + (", ..." if len(numbers) > _NAMED else "")
    return f"invocation{'s' if len(numbers) > 1 else ''} {some}"
