"""How values look on a page."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, NamedTuple

from flowforge.codec.plain import plain, to_json
from flowforge.common.duration import duration
from flowforge.common.plain_text import clean
from flowforge.model.jobs.count_words import count_words
from flowforge.model.jobs.status import JobStatus, RoutineStatus

#: A mark beside each word, so that colour is never alone.
_ICONS = {
    JobStatus.PENDING.value: "○",
    JobStatus.RUNNING.value: "◐",
    JobStatus.PAUSED.value: "‖",
    JobStatus.COMPLETED.value: "✓",
    JobStatus.FAILED.value: "✕",
    JobStatus.CANCELLED.value: "⊘",
    RoutineStatus.ERROR_CONTINUED.value: "↷",
    RoutineStatus.SKIPPED.value: "↷",
    # Of a worker, and of a queue.
    "live": "✓",
    "silent": "✕",
    "served": "✓",
    "unserved": "✕",
    # Of what needs a person.
    "stuck": "✕",
    "quarantined": "✕",
    "breakpoint": "‖",
    "schedule": "✕",
    "missed": "!",
    "undone": "↶",
    # Of a schedule.
    "active": "✓",
    "ended": "⊘",
    # Of a bulk operation.
    "done": "✓",
    "aborted": "⊘",
    # Of an entry of the audit stream.
    "refused": "✕",
    # Of a finding of the doctor.
    "ok": "✓",
    "warn": "!",
    "fail": "✕",
}

_DAY = 86400

#: What ``ago`` has told, for whom that matters: it says something else in a moment.
_told: ContextVar[list[datetime] | None] = ContextVar("ages", default=None)

#: Values, and levels of them, of which a page makes a tree; others are shown as a text.
_NODES, _DEPTH = 300, 12


def icon(status: str) -> str:
    return _ICONS.get(status, "•")


def moment(at: datetime | None) -> str:
    """A time for a machine; the browser shows it in its own zone."""
    return "" if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds")


def clock(at: datetime | None) -> str:
    """A time for people, in the zone of the process."""
    if at is None:
        return "-"
    local = at.astimezone()
    far = abs((datetime.now(UTC) - at).total_seconds()) > _DAY
    return local.strftime("%Y-%m-%d %H:%M:%S" if far else "%H:%M:%S")


def ago(at: datetime | None) -> str:
    """How long ago, or in how long."""
    if at is None:
        return ""
    told = _told.get()
    if told is not None:
        told.append(at)
    seconds = (datetime.now(UTC) - at).total_seconds()
    return f"{duration(seconds)} ago" if seconds >= 0 else f"in {duration(-seconds)}"


@contextmanager
def ages_told() -> Iterator[list[datetime]]:
    """The times of which the block says how long ago they are; empty when it says of none."""
    told: list[datetime] = []
    before = _told.set(told)
    try:
        yield told
    finally:
        _told.reset(before)


def took(begin: datetime | None, end: datetime | None) -> str:
    return "" if begin is None or end is None else duration((end - begin).total_seconds())


def shown(value: Any) -> str:
    """A text of others, with what turns a line around or is not seen made visible.

    What stands in a field is left as it is: it is sent back.
    """
    return clean(str(value))


def number(value: int) -> str:
    """Thousands apart, by a thin space at which no line ends."""
    return f"{value:,}".replace(",", "\u202f")


def compact(value: Any, most: int = 120) -> str:
    """A value as JSON on one line, cut when it is long."""
    text = " ".join(to_json(value).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"


def pretty(value: Any) -> str:
    """A value as indented JSON."""
    return to_json(value, 2)


class Branch(NamedTuple):
    """A value within a value. ``text``: its JSON, or of one that has ``children`` how many."""

    name: str
    text: str
    children: list[Branch]


def branches(value: Any) -> list[Branch] | None:
    """A value as a tree; None for one that is flat, and for one that is too large for a tree."""
    found = plain(value)
    if not isinstance(found, (dict, list)) or not any(map(_has_parts, _parts(found).values())):
        return None
    left = [_NODES]
    try:
        return _branches(found, 0, left)
    except OverflowError:
        return None


def _branches(value: Any, depth: int, left: list[int]) -> list[Branch]:
    parts = _parts(value)
    left[0] -= len(parts)
    if left[0] < 0 or depth > _DEPTH:
        raise OverflowError
    return [
        Branch(name, f"{len(part)} in it", _branches(part, depth + 1, left))
        if _has_parts(part)
        else Branch(name, to_json(part), [])
        for name, part in parts.items()
    ]


def _parts(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    return {str(place): item for place, item in enumerate(value)}


def _has_parts(value: Any) -> bool:
    return isinstance(value, (dict, list)) and bool(value)


def quoted(label: str) -> str:
    """A label as one word of the search, also with blanks in it."""
    return shlex.quote(label)


def amounts(counts: Mapping[str, int]) -> str:
    """``2 queued, 1 on a timer``: what is not zero."""
    return count_words(counts, number)


FILTERS = {
    one.__name__: one
    for one in (
        icon,
        moment,
        clock,
        ago,
        took,
        number,
        shown,
        compact,
        pretty,
        quoted,
        branches,
        amounts,
        duration,
    )
}
