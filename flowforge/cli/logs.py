"""``flowforge logs``: what the handlers of a job have logged."""

from __future__ import annotations

import time
from collections.abc import Iterator

import click

from flowforge.cli.options.arguments import job_argument
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import json_option, local_time, one_line, say
from flowforge.codec.plain import to_json
from flowforge.engine.engine import Engine
from flowforge.engine.jobs.job_state import JobState
from flowforge.errors import LoginRefusedError, StoreUnavailableError
from flowforge.model.jobs.job_handle import LogLine
from flowforge.store.invocation_reads.kept_inputs import KeptInputs

#: Seconds between two looks with ``--follow``.
TICK = 0.5

#: Seconds after the end of the job in which its last lines still come.
AFTER = 2.0


@click.command("logs")
@job_argument
@click.option("--routine", metavar="ID", help="Only lines of this routine.")
@click.option("--invocation", type=click.IntRange(min=1), help="Only lines of this invocation.")
@click.option("--follow", is_flag=True, help="Go on with what comes, until the job has ended.")
@json_option
@pass_session
def logs(
    session: Session,
    job_id: str,
    routine: str | None,
    invocation: int | None,
    follow: bool,
    as_json: bool,
) -> None:
    """Show what the handlers of a job have logged and printed, where workers keep it.

    They do with FLOWFORGE_KEEP_LOGS=1000, the lines of each job. With --json one object a line.
    """
    engine = session.engine(job_id)
    job = JobState(job_id, engine)
    found = (
        _followed(job, engine, routine, invocation)
        if follow
        else job.logs(routine, invocation=invocation)
    )
    day = ""
    for line in found:
        if as_json:
            click.echo(to_json(vars(line), None))
            continue
        if not day:
            say(_columns("TIME", "LEVEL", "INVOCATION", "ROUTINE.SLOT", "MESSAGE"))
        if (today := local_time(line.at, "%Y-%m-%d")) != day:
            say(day := today)
        say(line_of(line))
    if not day and not as_json:
        say(_nothing(engine, job_id, routine, invocation), err=True)


def _nothing(engine: Engine, job_id: str, routine: str | None, invocation: int | None) -> str:
    """Why there is nothing to show."""
    if invocation is not None and not KeptInputs(engine.store).has_had(job_id, invocation):
        return f"job {job_id} has no invocation {invocation}"
    which = "no such lines" if routine or invocation else "no lines"
    return (
        f"{which} are kept: the handlers have logged nothing at the level of the worker's log, or "
        "their workers ran without FLOWFORGE_KEEP_LOGS=1000"
    )


def line_of(line: LogLine) -> str:
    """Time, level, place and message in columns; the lines below are indented.

    So a message cannot look like a line of another one.
    """
    at = local_time(line.at, f"%H:%M:%S.{line.at.microsecond // 1000:03d}")
    text = line.message if line.exception is None else f"{line.message}\n{line.exception}"
    place = one_line(f"{line.routine_id}.{line.slot}")
    again = f"attempt {line.attempt}: " if line.attempt > 1 else ""
    text = "\n    ".join(text.rstrip().splitlines())
    return _columns(at, one_line(line.level), str(line.invocation), place, f"{again}{text}")


def _columns(at: str, level: str, number: str, place: str, text: str) -> str:
    return f"{at:<12}  {level:<8}  {number:<10}  {place:<20}  {text}".rstrip()


def _followed(
    job: JobState, engine: Engine, routine: str | None, invocation: int | None
) -> Iterator[LogLine]:
    """The lines until the job has ended, also over outages of the server."""
    after: str | None = None
    until: float | None = None
    while until is None or time.monotonic() < until:
        try:
            settled = engine.inspector.settled(job.job_id) is not None
            found = list(engine.inspector.log_lines(job.job_id, after))
        except LoginRefusedError:
            raise
        except StoreUnavailableError:
            continue  # after the patience of the link
        for line in found:
            after = line.id
            if routine in (None, line.routine_id) and invocation in (None, line.invocation):
                yield line
        if not settled:
            until = None
        elif until is None:
            until = time.monotonic() + AFTER
        time.sleep(TICK)
