"""Commands that change something are kept in the audit stream: who, what, which jobs, why."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from flowforge.cli.session import Session
from flowforge.engine.audit import tell
from flowforge.engine.operator_name import operator_name
from flowforge.errors import FlowForgeError
from flowforge.model.audit import AuditOutcome, AuditRecord, AuditVia

_P = ParamSpec("_P")
_R = TypeVar("_R")

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
                _keep(session, action, options, outcome, "")
                raise
            except FlowForgeError as error:
                # What a form or an option holds may stand in an error about it: only its kind.
                _keep(session, action, options, AuditOutcome.REFUSED, type(error).__name__)
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
    tell(
        engine,
        AuditRecord(by, AuditVia.COMMAND_LINE, action, outcome, "", tuple(job_ids), reason, what),
    )
