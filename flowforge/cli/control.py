"""``flowforge pause``, ``resume``, ``cancel`` and ``retry``."""

from __future__ import annotations

from typing import Any

import click

from flowforge.cli.arguments import by_option, controlled_job_argument, edits, json_value
from flowforge.cli.render import amounts, json_option, print_json, say
from flowforge.cli.session import Session, pass_session
from flowforge.engine.engine import Engine
from flowforge.engine.job_state import JobState
from flowforge.model.status import JobStatus

_reason = click.option("--reason", default="", metavar="TEXT", help="Kept with the job.")


@click.command("pause")
@controlled_job_argument
@_reason
@click.option(
    "--checkpoint",
    metavar="JSON",
    callback=json_value,
    help="Kept with the job, for its handlers to read.",
)
@json_option
@pass_session
def pause(session: Session, job_id: str, reason: str, checkpoint: Any, as_json: bool) -> None:
    """Pause a job: no handler starts any more, running ones finish."""
    engine = session.engine(job_id)
    engine.pause(job_id, reason, checkpoint)
    print_state(engine, job_id, as_json)


@click.command("resume")
@controlled_job_argument
@json_option
@pass_session
def resume(session: Session, job_id: str, as_json: bool) -> None:
    """Resume a paused job: what is parked goes on."""
    engine = session.engine(job_id)
    engine.resume(job_id)
    print_state(engine, job_id, as_json)


@click.command("cancel")
@controlled_job_argument
@_reason
@json_option
@pass_session
def cancel(session: Session, job_id: str, reason: str, as_json: bool) -> None:
    """Cancel a job for good."""
    engine = session.engine(job_id)
    engine.cancel(job_id, reason)
    print_state(engine, job_id, as_json)


@click.command("retry")
@controlled_job_argument
@click.option(
    "--edit", "edit", metavar="INVOCATION:K=V", multiple=True, callback=edits,
    help="Change a param of an invocation before, as in 5:amount=20. May be repeated.",
)  # fmt: skip
@by_option
@json_option
@pass_session
def retry(
    session: Session,
    job_id: str,
    edit: dict[int, dict[str, Any]],
    by: str | None,
    as_json: bool,
) -> None:
    """Continue a failed job from its failed invocations, with fresh attempts."""
    engine = session.engine(job_id)
    engine.retry(job_id, edit or None, by)
    print_state(engine, job_id, as_json)


def print_state(engine: Engine, job_id: str, as_json: bool) -> None:
    """Print how a job stands after a command has changed it."""
    job = JobState(job_id, engine)
    status, counts = job.status, job.counts
    if as_json:
        print_json({"job_id": job_id, "status": status, "counts": counts})
    else:
        say(f"job {job_id} is {status} (work: {amounts(counts)})")


def print_mended(engine: Engine, job_id: str, as_json: bool) -> None:
    """The same after an invocation was mended, and what is left to do."""
    print_state(engine, job_id, as_json)
    if engine.inspector.status(job_id) is JobStatus.FAILED:
        say(f"the job stays failed: continue it with `retry {job_id}`", err=True)
