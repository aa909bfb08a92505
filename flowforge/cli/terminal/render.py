"""How things look on a terminal, and in a file or pipe where nobody can scroll sideways.

Everything that a command prints passes one of the functions here or in ``tables``, which clean it
at the last step: a name, a reason or a status may hold what a terminal obeys.
"""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from flowforge.codec.plain import to_json
from flowforge.common.plain_text import clean, unbroken
from flowforge.model.jobs.count_words import count_words
from flowforge.model.jobs.status import JobStatus, RoutineStatus

#: Columns where the output is no terminal: nothing is folded or cut.
_UNFOLDED = 10_000

_STYLES = {
    JobStatus.COMPLETED: "green",
    JobStatus.FAILED: "red",
    JobStatus.CANCELLED: "magenta",
    JobStatus.PAUSED: "yellow",
    JobStatus.RUNNING: "cyan",
    RoutineStatus.ERROR_CONTINUED: "yellow",
    RoutineStatus.SKIPPED: "yellow",
    "ok": "green",
    "warn": "yellow",
    "fail": "red",
}

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")


def say(text: str = "", *, err: bool = False) -> None:
    """A text, cleaned, with its own line breaks."""
    click.echo(clean(text), err=err)


def print_text(text: Text) -> None:
    """One line with its colours."""
    console().print(_cleaned(text), soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document on stdout: indented for a person, one line for a program."""
    click.echo(to_json(value, 2 if sys.stdout.isatty() else None))


def console(*, stderr: bool = False) -> Console:
    """A console that takes texts as they are; without colour when Celery was asked for none."""
    context = click.get_current_context(silent=True)
    plain_wanted = context is not None and context.find_root().params.get("no_color")
    made = Console(
        stderr=stderr, highlight=False, markup=False, emoji=False, no_color=plain_wanted or None
    )
    if not made.is_terminal:
        made.width = _UNFOLDED
    return made


def one_line(text: str, most: int = 200) -> str:
    """The text on one line of at most ``most`` characters."""
    line = unbroken(" ".join(text.split()))
    return line if len(line) <= most else f"{line[: most - 1]}…"


def compact(value: Any, most: int = 200) -> str:
    """A value as JSON on one line, cut when it is long."""
    return one_line(to_json(value), most)


def status_text(status: str) -> Text:
    return Text(status, style=_STYLES.get(status, ""))


def local_time(at: datetime, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """The time here, for people; JSON output has the time zone."""
    return at.astimezone().strftime(form)


def amounts(counts: dict[str, int]) -> str:
    """``2 queued, 1 on a timer``: what is not zero, or ``none``."""
    return count_words(counts) or "none"


def labels_shown(labels: dict[str, str]) -> str:
    """``stage=paid tenant=acme``: labels on one line."""
    return one_line(" ".join(f"{name}={value}" for name, value in labels.items()))


def _cleaned(text: Text) -> Text:
    shown = Text(style=text.style)
    for part in text.divide([bound for span in text.spans for bound in (span.start, span.end)]):
        style = part.spans[0].style if part.spans else ""
        shown.append(unbroken(part.plain), style)
    return shown
