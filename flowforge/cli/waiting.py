"""Waiting for a job in the foreground, silently or with its progress on show."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Protocol

import click
from rich.live import Live

from flowforge.cli.group import INTERRUPTED, CommandFailedError
from flowforge.cli.render import console, one_line, say
from flowforge.cli.routine_table import routine_table
from flowforge.cli.session import outlook
from flowforge.engine.engine import Engine
from flowforge.engine.job_report import routines
from flowforge.errors import StoreUnavailableError

#: Seconds between two looks at the routines.
TICK = 0.22


timeout_option = click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    help="Stop waiting after this long; the job goes on.",
)


class View(AbstractContextManager[Any], Protocol):
    """Where progress is shown."""

    def show(self, status: str, states: dict[str, dict[str, Any]]) -> None: ...


def progress_view(job_id: str, as_json: bool) -> View:
    """A table that is drawn again and again on a terminal; elsewhere a line with each change.

    On stderr when stdout is for JSON.
    """
    screen = console(stderr=as_json)
    return _Table(job_id, screen) if screen.is_terminal else _Lines(as_json)


class _Table(ExitStack):
    def __init__(self, job_id: str, screen: Any) -> None:
        super().__init__()
        self._job_id = job_id
        self._live = self.enter_context(Live(console=screen, auto_refresh=False))

    def show(self, status: str, states: dict[str, dict[str, Any]]) -> None:
        self._live.update(routine_table(states, f"job {self._job_id}: {status}"), refresh=True)


class _Lines(ExitStack):
    def __init__(self, stderr: bool) -> None:
        super().__init__()
        self._stderr = stderr
        self._status = ""
        self._shown: dict[str, str] = {}

    def show(self, status: str, states: dict[str, dict[str, Any]]) -> None:
        now = {name: _progress(state) for name, state in states.items()}
        changed = [name for name, text in now.items() if self._shown.get(name, "0/0") != text]
        if changed or status != self._status:
            words = "  ".join(one_line(f"{name} {now[name]}") for name in changed)
            say(f"{status:<9}  {words}".rstrip(), err=self._stderr)
        self._status, self._shown = status, now


def _progress(state: dict[str, Any]) -> str:
    done = f"{state['completed']}/{state['started']}"
    names = ("running", "retried", "failed", "error_continued", "skipped", "lost")
    rest = [f"{state[name]} {name}" for name in names if state[name]]
    return f"{done} ({', '.join(rest)})" if rest else done


def wait_with_view(engine: Engine, job_id: str, timeout: float | None, view: View | None) -> str:
    """Block as ``Engine.wait`` does; returns the status, raises TimeoutError."""
    if view is None:
        return engine.wait(job_id, timeout)
    deadline = None if timeout is None else time.monotonic() + timeout
    with view:
        while True:
            states = routines(engine, job_id)
            view.show(engine.inspector.status(job_id), states)
            left = TICK if deadline is None else min(TICK, deadline - time.monotonic())
            try:
                status = engine.wait(job_id, left, explains=left < TICK)
            except TimeoutError:
                if left < TICK:
                    raise
            else:
                view.show(status, routines(engine, job_id))
                return status


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
