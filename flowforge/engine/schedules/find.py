"""Schedules on all servers, page by page: those that come next first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from heapq import merge
from typing import NamedTuple

from flowforge.common.bounded_repr import shown
from flowforge.engine.engine import Engine
from flowforge.errors import InvalidValueError, RecordError, StoreUnavailableError
from flowforge.model.times.schedule_info import ScheduleInfo
from flowforge.store.fleet_reads.schedules import SchedulePlace

#: Schedules that one command reads at most, and that one call passes over since they are of other
#: flows.
_PIECE = 200
PASSED_OVER = 5000

_CURSOR = re.compile(r"(\d{1,15}|never)/(.{1,1000})", re.DOTALL)


class FoundSchedules(NamedTuple):
    """A page. ``cursor``: what the next one goes on from; None when there are no more.

    ``left_out``: why schedules cannot be read. ``silent``: the errors of servers that do not
    answer.
    """

    schedules: list[tuple[SchedulePlace, ScheduleInfo]]
    cursor: str | None
    left_out: list[RecordError]
    silent: list[StoreUnavailableError]


def find_schedules(
    engines: Sequence[Engine], limit: int, flow_id: str | None = None, cursor: str | None = None
) -> FoundSchedules:
    """At most ``limit`` schedules by when the leader looks at them next, then by name; fewer when
    many are of other flows.

    One that starts a job between two pages is found again behind. InvalidValueError for a cursor
    that is none.
    """
    last = None if cursor is None else _place(cursor)
    found = FoundSchedules([], None, [], [])
    size = min(_PIECE, limit + 1)
    streams = (_walk(engine, last, size, found.silent) for engine in engines)
    reached, passed_over = cursor, 0
    for place, one in merge(*streams, key=lambda seen: seen[0]):
        if isinstance(one, ScheduleInfo) and flow_id in (None, one.flow_id):
            if len(found.schedules) == limit:
                return found._replace(cursor=reached)
            found.schedules.append((place, one))
        else:
            if isinstance(one, RecordError):
                found.left_out.append(one)
            passed_over += 1
        reached = place.cursor
        if passed_over == PASSED_OVER:
            return found._replace(cursor=reached)
    return found


def _walk(
    engine: Engine, last: SchedulePlace | None, size: int, silent: list[StoreUnavailableError]
) -> Iterator[tuple[SchedulePlace, ScheduleInfo | RecordError]]:
    try:
        while page := engine.schedules.behind(last, size):
            yield from engine.schedules.at(page)
            last = page[-1]
    except StoreUnavailableError as error:
        silent.append(error)


def _place(cursor: str) -> SchedulePlace:
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise InvalidValueError(f"{shown(cursor)} is no cursor: take that of a list")
    due = float("inf") if match[1] == "never" else float(match[1])
    return SchedulePlace(due, match[2])
