"""Waiting for a job in the foreground, silently or with its progress on show."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
import redis

from flowforge.cli.group import INTERRUPTED, CommandFailedError
from flowforge.cli.session import outlook
from flowforge.cli.terminal.progress_view import View
from flowforge.cli.terminal.render import say
from flowforge.engine.engine import Engine
from flowforge.engine.waiting.patience import PAUSE, Deadline, passing
from flowforge.errors import StoreUnavailableError

#: Seconds between two looks at the job.
TICK = 0.22


timeout_option = click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    help="Stop waiting after this long; the job goes on.",
)


def wait_with_view(engine: Engine, job_id: str, timeout: float | None, view: View | None) -> str:
    """Block as ``Engine.wait`` does, over outages too; returns the status, raises TimeoutError."""
    if view is None:
        return engine.wait(job_id, timeout)
    deadline, status = Deadline(timeout), None
    with view:
        while True:
            try:
                view.show(engine.progress(job_id))
                if status is not None:
                    return status
                left = deadline.left(TICK)
                status = _waited(engine, job_id, left, is_last=left < TICK)
            except (redis.RedisError, StoreUnavailableError) as error:
                view.away(passing(engine, error))
                if deadline.left(PAUSE) <= 0:
                    raise TimeoutError(f"job {job_id}: the Redis server did not answer") from error
                time.sleep(PAUSE)


def _waited(engine: Engine, job_id: str, seconds: float, *, is_last: bool) -> str | None:
    """The status of a job that settles within so many seconds; None, or TimeoutError at last."""
    try:
        return engine.wait(job_id, seconds, explains=is_last)
    except TimeoutError:
        if is_last:
            raise
    return None


@contextmanager
def saying_where(flow_id: str) -> Iterator[None]:
    """Says where a job is found whose submission is interrupted: it may have been created."""
    try:
        yield
    except KeyboardInterrupt:
        say(
            "interrupted before the server answered. If the job was created, it goes on: look with "
            f"`jobs --flow {flow_id}`",
            err=True,
        )
        click.get_current_context().exit(INTERRUPTED)


@contextmanager
def saying_outlook(engine: Engine, job_id: str) -> Iterator[None]:
    """Says what becomes of the job when waiting for it ends before the job does."""
    after = outlook(engine, job_id)
    try:
        yield
    except KeyboardInterrupt:
        say(f"interrupted; {after}", err=True)
        click.get_current_context().exit(INTERRUPTED)
    except (StoreUnavailableError, TimeoutError) as error:
        raise CommandFailedError(f"{error}; {after}") from error
