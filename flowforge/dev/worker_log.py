"""What a line of a worker's log says, for the terminal of a development server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import flowforge
from flowforge.errors import FlowForgeError

#: Colours, as rich names them.
BAD, CAREFUL, QUIET, GOOD, PLAIN = "bold red", "yellow", "dim", "green", ""

#: Loggers of Celery's whose lines about each task say nothing new.
_PER_TASK = frozenset({"celery.app.trace", "celery.worker.strategy"})
_FAILED = re.compile(r"Task (?P<task>\S+)\[\S+\] raised unexpected: ")

#: What a print in a handler is logged by.
_PRINTS = "celery.redirected"

_FRAME = re.compile(r'  File "(?P<file>[^"]+)", line \d+')
_OWN = str(Path(flowforge.__file__).parent)
_OWN_ERROR = f"{FlowForgeError.__module__}."
_HEAD = "Traceback (most recent call last):"
_CELERYS = re.compile(r"/site-packages/(celery|billiard|kombu)/")


class Line(NamedTuple):
    """A text with its colour. ``ready``: whether the worker takes work from here on."""

    text: str = ""
    style: str = PLAIN
    ready: bool = False


def read_line(raw: str) -> Line | None:
    """What there is to show of a line; None for a line that is no log line of a worker's."""
    if not raw.startswith("{"):
        return None
    try:
        entry: dict[str, Any] = json.loads(raw)
        logger, level, message = entry["logger"], entry["level"], str(entry["message"])
    except (ValueError, KeyError, TypeError):
        return None
    if logger == "celery.apps.worker" and message.endswith(" ready."):
        return Line(ready=True)
    return _shown(entry, logger, level, message)


def _shown(entry: dict[str, Any], logger: str, level: str, message: str) -> Line:
    if level in ("ERROR", "CRITICAL"):
        return Line(_failure(entry, message), BAD)
    if logger in _PER_TASK or (logger.startswith(("celery.", "kombu.")) and level == "INFO"):
        return Line(_retry(entry, message), CAREFUL) if " retry: " in message else Line()
    exception = entry.get("exception")
    text = f"{message}\n{own_frames(str(exception))}" if exception else message
    careful = level == "WARNING" and logger != _PRINTS
    return Line(f"{_place(entry)}{text}", CAREFUL if careful else PLAIN)


def own_frames(traceback: str) -> str:
    """A traceback without the frames of FlowForge and Celery.

    Where there are no others, an error of FlowForge's own says all itself, and stands alone. A
    traceback of another error is shown whole: it may be a fault of a library.
    """
    kept: list[str] = []
    shown, own = True, False
    for line in traceback.rstrip().splitlines():
        frame = _FRAME.match(line)
        if frame is not None:
            file = frame["file"]
            shown = not (file.startswith(_OWN) or _CELERYS.search(file))
            own = own or shown
        elif not line.startswith("    "):
            shown = True
        if shown:
            kept.append(line)
    if own:
        return "\n".join(kept)
    if any(line.startswith(_OWN_ERROR) for line in kept):
        return "\n".join(line for line in kept if line != _HEAD)
    return traceback.rstrip()


def _failure(entry: dict[str, Any], message: str) -> str:
    failed = _FAILED.match(message)
    job = entry.get("job", "")
    head = f"FAILED {failed['task']} in job {job}" if failed else f"{_place(entry)}{message}"
    exception = entry.get("exception")
    text = f"{head}\n{own_frames(str(exception))}" if exception else head
    return f"{text}\nlook: flowforge show {job}" if failed and job else text


def _retry(entry: dict[str, Any], message: str) -> str:
    return f"retry of {message.removeprefix('Task ').partition('[')[0]} in job " + (
        f"{entry.get('job', '')}: {message.partition(' retry: ')[2]}"
    )


def _place(entry: dict[str, Any]) -> str:
    """The place of a handler's own line, in front of it."""
    routine = entry.get("routine")
    return f"{routine}: " if routine else ""
