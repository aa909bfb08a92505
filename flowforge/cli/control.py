"""``flowforge pause``, ``resume``, ``cancel``, ``retry`` and ``delete``: of one or several jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import click

from flowforge.cli.audited import audited
from flowforge.cli.error_text import error_text
from flowforge.cli.options.arguments import (
    by_option,
    checked_job_id,
    controlled_jobs_argument,
    edits,
    json_value,
    new_params_option,
)
from flowforge.cli.options.bulk_options import act_on_all, bulk_options, bulk_wanted
from flowforge.cli.options.start_options import span, usable
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import amounts, json_option, one_line, print_json, say
from flowforge.engine.engine import Engine
from flowforge.errors import JobError, RecordError
from flowforge.model.jobs.bulk import BulkAction
from flowforge.model.jobs.status import JobStatus
from flowforge.model.times.start import timeout_ms

#: Refusals of several jobs that the audit keeps.
_KEPT = 3

reason_option = click.option("--reason", default="", metavar="TEXT", help="Kept with the job.")


@click.command("pause")
@controlled_jobs_argument
@reason_option
@click.option(
    "--checkpoint",
    metavar="JSON",
    callback=json_value,
    help="Kept with the job, for its handlers to read.",
)
@bulk_options
@by_option
@json_option
@pass_session
@audited("pause")
def pause(
    session: Session,
    /,
    job_ids: Sequence[str],
    reason: str,
    checkpoint: Any,
    by: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Pause jobs: no handler starts any more, running ones finish."""
    if bulk_wanted(job_ids, options):
        if checkpoint is not None:
            raise click.UsageError("--checkpoint is for the jobs that are named one by one")
        act_on_all(session, BulkAction.PAUSE, options, as_json, by=by, reason=reason)
        return
    each_job(
        session, job_ids, as_json, lambda engine, one: engine.pause(one, reason, checkpoint, by)
    )


@click.command("resume")
@controlled_jobs_argument
@reason_option
@bulk_options
@by_option
@json_option
@pass_session
@audited("resume")
def resume(
    session: Session,
    /,
    job_ids: Sequence[str],
    reason: str,
    by: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Resume paused jobs: what is parked goes on."""
    if bulk_wanted(job_ids, options):
        act_on_all(session, BulkAction.RESUME, options, as_json, by=by, reason=reason)
        return
    each_job(session, job_ids, as_json, lambda engine, one: engine.resume(one, reason, by))


@click.command("cancel")
@controlled_jobs_argument
@reason_option
@click.option("--undo", is_flag=True, help="Undo what the jobs have done, as their slots say.")
@bulk_options
@by_option
@json_option
@pass_session
@audited("cancel")
def cancel(
    session: Session,
    /,
    job_ids: Sequence[str],
    reason: str,
    undo: bool,
    by: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Cancel jobs for good."""
    if bulk_wanted(job_ids, options):
        act_on_all(session, BulkAction.CANCEL, options, as_json, by=by, reason=reason, undo=undo)
        return
    each_job(
        session, job_ids, as_json, lambda engine, one: engine.cancel(one, reason, by, undo=undo)
    )


@click.command("retry")
@controlled_jobs_argument
@click.option(
    "--edit", "edit", metavar="INVOCATION:K=V", multiple=True, callback=edits,
    help="Change a param of an invocation before, as in 5:amount=20. May be repeated.",
)  # fmt: skip
@new_params_option
@click.option(
    "--finish-within", metavar="TIME", callback=span,
    help="It fails again unless it has ended by then: seconds, or 30m, 2h, 7d. Of named jobs.",
)  # fmt: skip
@reason_option
@bulk_options
@by_option
@json_option
@pass_session
@audited("retry")
def retry(
    session: Session,
    /,
    job_ids: Sequence[str],
    edit: dict[int, dict[str, Any]],
    new_params: bool,
    finish_within: timedelta | None,
    reason: str,
    by: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Continue failed jobs from their failed invocations, with fresh attempts."""
    bulk = bulk_wanted(job_ids, options)
    if edit and len(job_ids) != 1:
        raise click.UsageError("--edit is about the invocations of one job: give one JOB")
    if bulk and finish_within is not None:
        raise click.UsageError("--finish-within is of jobs that are named: give JOB")
    finish_ms = usable(timeout_ms, "--finish-within", finish_within)
    if bulk:
        act_on_all(session, BulkAction.RETRY, options, as_json, by=by, reason=reason)
        return

    def act(engine: Engine, job_id: str) -> None:
        engine.retry(job_id, edit or None, by, reason, new_params=new_params, finish_ms=finish_ms)

    each_job(session, job_ids, as_json, act)


@click.command("delete")
@controlled_jobs_argument
@reason_option
@bulk_options
@by_option
@json_option
@pass_session
@audited("delete")
def delete(
    session: Session,
    /,
    job_ids: Sequence[str],
    reason: str,
    by: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Delete jobs that have ended, with all that is kept of them."""
    if bulk_wanted(job_ids, options):
        act_on_all(session, BulkAction.DELETE, options, as_json, by=by, reason=reason)
        return
    if reason or by:
        raise click.UsageError("nothing is kept of the jobs: --reason and --by need --all-matching")
    each_job(session, job_ids, as_json, lambda engine, one: engine.delete(one), left=False)


class SomeRefused(click.exceptions.Exit):
    """Exit status 1: each refusal was told. ``why``: the first ones, for the audit."""

    def __init__(self, refused: Sequence[str]) -> None:
        super().__init__(1)
        self.why = "; ".join(one_line(text) for text in refused[:_KEPT])


def each_job(
    session: Session,
    job_ids: Sequence[str],
    as_json: bool,
    act: Callable[[Engine, str], None],
    *,
    left: bool = True,
) -> None:
    """Do it to each job; a job that is refused keeps none of the others from it, and makes the exit
    status 1. ``left``: whether there is a job left to be told of.
    """
    answers: list[dict[str, Any]] = []
    for job_id in job_ids:
        try:
            engine = session.engine(checked_job_id(job_id))
            act(engine, job_id)
            answer = _left(engine, job_id) if left else {"job_id": job_id, "deleted": True}
        except (JobError, RecordError) as error:
            if len(job_ids) == 1:
                raise
            answer = {"job_id": job_id, "error": error_text(error)}
        answers.append(answer)
        if not as_json:
            _tell(answer)
    if as_json:
        print_json(answers[0] if len(job_ids) == 1 else answers)
    refused = [answer["error"] for answer in answers if "error" in answer]
    if refused:
        raise SomeRefused(refused)


def _left(engine: Engine, job_id: str) -> dict[str, Any]:
    summary, _ = engine.inspector.describe(job_id)
    return {"job_id": job_id, "status": summary.status.value, "counts": summary.counts}


def _tell(answer: dict[str, Any]) -> None:
    if "error" in answer:
        say(f"error: {answer['error']}", err=True)
    elif "deleted" in answer:
        say(f"job {answer['job_id']} is deleted")
    else:
        say(f"job {answer['job_id']} is {answer['status']} (work: {amounts(answer['counts'])})")


def print_state(engine: Engine, job_id: str, as_json: bool) -> None:
    """Print how a job stands after a command has changed it."""
    answer = _left(engine, job_id)
    if as_json:
        print_json(answer)
    else:
        _tell(answer)


def print_mended(engine: Engine, job_id: str, as_json: bool) -> None:
    """The same after an invocation was mended, and what is left to do."""
    print_state(engine, job_id, as_json)
    if engine.inspector.status(job_id) is JobStatus.FAILED:
        say(f"the job stays failed: continue it with `flowforge retry {job_id}`", err=True)
