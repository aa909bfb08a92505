"""What jobs expect, on all servers: the oldest first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import NamedTuple

from flowforge.common.bounded_repr import shown
from flowforge.engine.engine import Engine
from flowforge.errors import InvalidValueError, JobNotFoundError, RecordError, StoreUnavailableError
from flowforge.model.expectation import Expectation
from flowforge.model.invocation_id import JOB_ID, NUMBER
from flowforge.store.expectations import Listed, Open, shown_expectation

#: Expectations that one command reads, and that one call passes over because they do not fit.
_PAGE = 200
PASSED_OVER = 5000

_CURSOR = re.compile(rf"(\d{{1,15}})/({JOB_ID})/({NUMBER})")


class FoundExpectations(NamedTuple):
    """A page. ``cursor``: what the next one goes on from; None when there are no more.

    ``silent``: the errors of servers that do not answer.
    """

    expectations: list[Expectation]
    cursor: str | None
    silent: list[StoreUnavailableError]


def find_expectations(
    engines: Sequence[Engine],
    limit: int,
    assigned: str | None = None,
    flow_id: str | None = None,
    cursor: str | None = None,
) -> FoundExpectations:
    """At most ``limit`` open expectations, the oldest first; fewer when many do not fit.

    InvalidValueError for a cursor that is none.
    """
    silent: list[StoreUnavailableError] = []
    last = None if cursor is None else _last(cursor)
    streams = (_walk(engine, assigned, last, silent) for engine in engines)
    found, passed_over, place = list[Expectation](), 0, cursor
    for listed, one, engine in merge(*streams, key=lambda seen: seen[0]):
        shown_one = None if one is None else _shown(engine, listed.job_id, one)
        if shown_one is None or (flow_id is not None and shown_one.flow_id != flow_id):
            passed_over += 1
            if passed_over == PASSED_OVER:
                return FoundExpectations(found, _cursor(listed), silent)
            continue
        if len(found) == limit:
            return FoundExpectations(found, place, silent)
        found.append(shown_one)
        place = _cursor(listed)
    return FoundExpectations(found, None, silent)


def _walk(
    engine: Engine, assigned: str | None, last: Listed | None,
    silent: list[StoreUnavailableError],
) -> Iterator[tuple[Listed, Open | None, Engine]]:  # fmt: skip
    reader = engine.store.expectations
    try:
        while page := reader.behind(assigned, last, _PAGE):
            found = reader.of_numbers([(one.job_id, one.number) for one in page])
            for listed, one in zip(page, found, strict=True):
                yield listed, one, engine
            last = page[-1]
    except StoreUnavailableError as error:
        silent.append(error)


def _shown(engine: Engine, job_id: str, one: Open) -> Expectation | None:
    """None for what no job has any more, and for what cannot be read."""
    try:
        definition = engine.inspector.definition(job_id)
        form = engine.store.expectations.form(job_id, one.form)
        return shown_expectation(job_id, definition, one, form)
    except (JobNotFoundError, RecordError):
        return None


def _cursor(listed: Listed) -> str:
    return f"{listed.since}/{listed.member}"


def _last(cursor: str) -> Listed:
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise InvalidValueError(
            f"cursor {shown(cursor)} is none: take the cursor of a page that was found"
        )
    return Listed(int(match[1]), f"{match[2]}/{match[3]}", match[2], int(match[3]))


def first_expectations(engines: Sequence[Engine], most: int) -> list[Expectation]:
    """The oldest, without those of servers that do not answer."""
    return list(islice(find_expectations(engines, most).expectations, most))
