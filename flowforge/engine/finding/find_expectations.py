"""What jobs expect, on all servers: the oldest first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from heapq import merge
from typing import NamedTuple

from flowforge.common.bounded_repr import shown
from flowforge.engine.engine import Engine
from flowforge.errors import InvalidValueError, RecordError, StoreUnavailableError
from flowforge.model.answers.expectation import Expectation
from flowforge.model.definition import Definition
from flowforge.model.invocation_id import JOB_ID, NUMBER
from flowforge.store.transitions.expectations import Listed, Open, shown_expectation

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
    found, passed_over, place, following = list[_Seen](), 0, cursor, False
    for seen in merge(*streams, key=lambda one: one.listed):
        if seen.open is None or (flow_id is not None and seen.flow_id != flow_id):
            passed_over += 1
            if passed_over == PASSED_OVER:
                place, following = _cursor(seen.listed), True
                break
            continue
        if len(found) == limit:
            following = True
            break
        found.append(seen)
        place = _cursor(seen.listed)
    return FoundExpectations(_shown(found, silent), place if following else None, silent)


class _Seen(NamedTuple):
    """An entry of the index of a server. ``open``: None for what no job has any more, and for what
    cannot be read.
    """

    engine: Engine
    listed: Listed
    open: Open | None
    definition: Definition | None

    @property
    def flow_id(self) -> str | None:
        return None if self.definition is None else self.definition.flow_id


def _walk(
    engine: Engine, assigned: str | None, last: Listed | None,
    silent: list[StoreUnavailableError],
) -> Iterator[_Seen]:  # fmt: skip
    reader = engine.store.expectations
    try:
        while page := reader.behind(assigned, last, _PAGE):
            found = reader.of_numbers([(one.job_id, one.number) for one in page])
            definitions = engine.inspector.definitions(one.job_id for one in page)
            for listed, one in zip(page, found, strict=True):
                definition = definitions.get(listed.job_id)
                yield _Seen(engine, listed, one if definition else None, definition)
            last = page[-1]
    except StoreUnavailableError as error:
        silent.append(error)


def _shown(found: Sequence[_Seen], silent: list[StoreUnavailableError]) -> list[Expectation]:
    """As people and programs see them, without those whose form cannot be read."""
    shown_ones: dict[Listed, Expectation] = {}
    for engine in dict.fromkeys(one.engine for one in found):
        own = [one for one in found if one.engine is engine]
        wanted = [(one.listed.job_id, one.open.form) for one in own if one.open]
        try:
            forms = engine.store.expectations.forms_of(wanted)
        except StoreUnavailableError as error:
            silent.append(error)
            continue
        for one, form in zip(own, forms, strict=True):
            if one.open and one.definition and not isinstance(form, RecordError):
                job_id = one.listed.job_id
                shown_ones[one.listed] = shown_expectation(job_id, one.definition, one.open, form)
    return [shown_ones[one.listed] for one in found if one.listed in shown_ones]


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
    return find_expectations(engines, most).expectations
