"""A bulk operation on a terminal: how far it is, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict

import click
from rich.live import Live
from rich.text import Text

from flowforge.cli.group import INTERRUPTED, CommandFailedError
from flowforge.cli.kept_engine import KeptEngine
from flowforge.cli.terminal.render import (
    console,
    labels_shown,
    local_time,
    one_line,
    print_json,
    say,
)
from flowforge.cli.terminal.tables import print_pairs, print_table
from flowforge.common.duration import duration
from flowforge.engine.bulk.bulk import Bulk
from flowforge.engine.engine import Engine
from flowforge.errors import StoreUnavailableError
from flowforge.model.jobs.bulk import BulkInfo, BulkProgress, BulkStatus

#: Seconds between two looks at how far it is, and between two lines where there is no terminal.
_TICK = 0.25
_LINE = 2.0

#: Jobs that are named of those that have taken the action.
_NAMED = 5


def carry_out(bulk: Bulk, engines: Sequence[Engine], as_json: bool) -> None:
    """Do the work, together with the upkeep, and show how far it is."""
    after = _outlook(bulk, engines)
    try:
        with _View(stderr=as_json) as view:
            looked = 0.0
            while (seconds := bulk.do_piece()) is not None:
                if time.monotonic() - looked > _TICK:
                    view.show(bulk.progress)
                    looked = time.monotonic()
                time.sleep(seconds)
    except KeyboardInterrupt:
        say(f"interrupted; {after}", err=True)
        click.get_current_context().exit(INTERRUPTED)
    except StoreUnavailableError as error:
        raise CommandFailedError(f"{error}; {after}") from error


def look_on(bulk: Bulk, as_json: bool) -> None:
    """Show how far it is until it has ended."""
    with _View(stderr=as_json) as view:
        while (progress := bulk.progress).status == BulkStatus.RUNNING:
            view.show(progress)
            time.sleep(_TICK)


def _outlook(bulk: Bulk, engines: Sequence[Engine]) -> str:
    name = bulk.bulk_id
    if any(isinstance(engine, KeptEngine) for engine in engines):
        return f"bulk operation {name} goes on with the next run of a flow there"
    return (
        f"bulk operation {name} goes on while there is a worker: look with `bulk show {name}`, "
        f"end it with `bulk abort {name}`"
    )


class _View(ExitStack):
    """A line that is drawn again and again on a terminal; elsewhere a line now and then."""

    def __init__(self, *, stderr: bool) -> None:
        super().__init__()
        self._stderr = stderr
        self._began = self._said = time.monotonic()
        self._before: int | None = None
        screen = console(stderr=stderr)
        self._live = (
            self.enter_context(Live(console=screen, auto_refresh=False, transient=True))
            if screen.is_terminal
            else None
        )

    def show(self, progress: BulkProgress) -> None:
        now = time.monotonic()
        come_to = progress.done + progress.refused
        self._before = come_to if self._before is None else self._before
        text = f"{come_to} of {progress.matched} jobs"
        speed = (come_to - self._before) / (now - self._began) if now > self._began else 0.0
        if speed > 0:
            text += f", {speed:.0f} a second, about {duration(progress.left / speed)} left"
        if self._live is not None:
            self._live.update(Text(text), refresh=True)
        elif now - self._said >= _LINE:
            self._said = now
            say(text, err=self._stderr)


def print_info(info: BulkInfo, as_json: bool) -> None:
    """All that is kept of it."""
    if as_json:
        print_json(asdict(info))
        return
    progress = info.progress
    rate = "" if info.rate is None else f", {info.rate:g} jobs a second"
    labels = {name: value or "" for name, value in info.labels.items()}
    pairs = [
        ("bulk", info.bulk_id),
        ("action", one_line(f"{info.action} {labels_shown(labels)}".rstrip() + rate)),
        ("jobs", one_line(info.selection)),
        ("by", one_line(info.by)),
        ("reason", one_line(info.reason, 500) or "-"),
        ("started", local_time(info.created_at)),
        ("status", one_line(_status(info))),
        ("done", f"{progress.done} of {progress.matched}"),
        ("refused", str(progress.refused)),
        ("left", str(progress.left)),
    ]
    print_pairs(pairs)
    if progress.job_ids:
        more = " …" if progress.done > _NAMED else ""
        say(f"done {progress.done}: {one_line(' '.join(progress.job_ids[:_NAMED]))}{more}")
    for refusal in progress.refusals:
        ids = " ".join(refusal.job_ids)
        more = " …" if refusal.count > len(refusal.job_ids) else ""
        say(f"refused {refusal.count}: {one_line(refusal.reason)}: {one_line(ids)}{more}")


def _status(info: BulkInfo) -> str:
    text = info.progress.status
    if info.aborted_by is not None:
        text += f" by {info.aborted_by}"
    if info.ended_at is not None:
        text += f" after {duration((info.ended_at - info.created_at).total_seconds())}"
    return text


def print_list(found: Iterable[BulkInfo]) -> None:
    """A line for each."""
    print_table(
        ("BULK", "ACTION", "STATUS", ">DONE", ">REFUSED", ">LEFT", "STARTED", "<BY", "<REASON"),
        [
            [
                info.bulk_id,
                one_line(info.action),
                one_line(info.progress.status),
                str(info.progress.done),
                str(info.progress.refused),
                str(info.progress.left),
                local_time(info.created_at, "%m-%d %H:%M:%S"),
                one_line(info.by),
                one_line(info.reason),
            ]
            for info in found
        ],
    )
