"""A job as a table that is redrawn while workers run it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from flowforge import Flow, JobState

#: Seconds between two looks at the job.
REFRESH = 0.25

#: Counters of a routine's state, and how the table calls them.
COLUMNS = {
    "completed": "done",
    "running": "running",
    "retried": "retried",
    "error_continued": "went on",
    "failed": "failed",
}

STYLES = {"completed": "green", "running": "cyan", "failed": "bold red", "pending": "dim"}


def follow(job: JobState, flow: Flow, timeout: float, console: Console) -> int:
    """Show the job until it is terminal or paused; the exit status of a program that waits for it.

    0: completed; 1: ended otherwise; 2: not within ``timeout`` seconds. Says why when it is not 0.
    """
    try:
        watch(job, flow.routines, timeout, console)
    except TimeoutError as error:
        console.print(f"[red]{error}[/]; are workers running?")
        return 2
    if job.status != "completed":
        console.print(f"[red]The job is {job.status}[/]: {job.error or job.reason or 'no reason'}")
        return 1
    return 0


def watch(job: JobState, routines: Iterable[str], timeout: float, console: Console) -> None:
    """Redraw until the job is terminal or paused; TimeoutError when that takes too long."""
    started = time.monotonic()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while not is_settled(job):
            spent = time.monotonic() - started
            live.update(progress(job, routines, spent), refresh=True)
            if spent > timeout:
                raise TimeoutError(f"job {job.job_id} is {job.status} after {timeout:g} s")
    console.print(progress(job, routines, time.monotonic() - started))


def progress(job: JobState, routines: Iterable[str], seconds: float) -> Table:
    table = Table(title=f"{job.flow_id} · {job.job_id} · {job.status} · {seconds:.1f} s")
    table.add_column("routine", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for heading in COLUMNS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    states: Mapping[str, Mapping[str, Any]] = job.routine_states
    for routine_id in routines:
        state = states.get(routine_id, {})
        status = str(state.get("status", "pending"))
        counts = (str(state.get(name) or "·") for name in COLUMNS)
        table.add_row(routine_id, f"[{STYLES.get(status, 'yellow')}]{status}[/]", *counts)
    return table


def is_settled(job: JobState) -> bool:
    try:
        job.wait(timeout=REFRESH)
    except TimeoutError:
        return False
    return True
