"""Which jobs a bulk operation is about."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import islice

from flowforge.engine.engine import Engine
from flowforge.engine.find import JobSearch
from flowforge.model.labels import label_line
from flowforge.model.status import JobStatus
from flowforge.settings import MOST
from flowforge.store.finding import Bound, Found, Query
from flowforge.store.job_rows import JobRows

#: Jobs that are looked at together.
_LOOK = 500


class Selection(ABC):
    """Jobs with the engines that they are on."""

    @abstractmethod
    def text(self) -> str:
        """The jobs in words, for what is kept of the operation."""

    @abstractmethod
    def found(self) -> Iterator[tuple[str, Engine]]:
        """The jobs, the newest first; none of them twice."""

    def statuses(self) -> dict[str, int]:
        """How many jobs have each status."""
        counts: Counter[str] = Counter()
        jobs = self.found()
        while some := list(islice(jobs, _LOOK)):
            for engine in {engine for _, engine in some}:
                ids = [job_id for job_id, home in some if home is engine]
                for _, row in JobRows(engine.store).many(ids, "status"):
                    if isinstance(row, list) and row[0] is not None:
                        counts[row[0].decode(errors="backslashreplace")] += 1
        return {status.value: counts[status.value] for status in JobStatus}


class Listed(Selection):
    """Jobs that are named one by one."""

    def __init__(self, jobs: Sequence[tuple[str, Engine]]) -> None:
        self._jobs = list(dict(jobs).items())

    def text(self) -> str:
        return f"{len(self._jobs)} jobs by their ids"

    def found(self) -> Iterator[tuple[str, Engine]]:
        return iter(self._jobs)


class Matching(Selection):
    """Jobs that fit a search, and were created before it began."""

    def __init__(self, engines: Sequence[Engine], search: JobSearch) -> None:
        # ``islice`` counts to ``sys.maxsize``.
        self._limit = None if search.limit is None else min(search.limit, MOST)
        self._query = search.query
        #: What is asked of each server, by its clock.
        self._queries = [(engine, _bounded(search.query, engine)) for engine in engines]

    def text(self) -> str:
        query = self._query
        since, until = (_at(one, self._queries[0][0]) for one in (query.since, query.until))
        parts = [
            f"flow {query.flow_id}" if query.flow_id is not None else "",
            f"status {query.status}" if query.status is not None else "",
            *(f"label {label_line(*label)}" for label in query.labels.items()),
            f"created since {since}" if since is not None else "",
            f"created until {until}" if until is not None else "",
            f"text {query.text!r}" if query.text is not None else "",
            f"behind {query.after}" if query.after is not None else "",
            f"the newest {self._limit}" if self._limit is not None else "",
        ]
        return ", ".join(filter(None, parts)) or "every job"

    def found(self) -> Iterator[tuple[str, Engine]]:
        streams = (_stream(engine, query) for engine, query in self._queries)
        return islice(_distinct(merge(*streams, key=_place, reverse=True)), self._limit)

    def statuses(self) -> dict[str, int]:
        if self._limit is not None or self._query.after is not None:
            return super().statuses()
        wanted = [self._query.status] if self._query.status is not None else list(JobStatus)
        counts = {
            status: sum(
                engine.finder.count(replace(query, status=status))
                for engine, query in self._queries
            )
            for status in wanted
        }
        return {status.value: counts.get(status.value, 0) for status in JobStatus}


def _stream(engine: Engine, query: Query) -> Iterator[tuple[Found, Engine]]:
    return ((found, engine) for found in engine.finder.find(query, _LOOK))


def _place(one: tuple[Found, Engine]) -> Found:
    return one[0]


def _distinct(found: Iterator[tuple[Found, Engine]]) -> Iterator[tuple[str, Engine]]:
    """A job whose status changes meanwhile can be found by both."""
    last = None
    for one, engine in found:
        if one != last:
            yield one.job_id, engine
        last = one


def _bounded(query: Query, engine: Engine) -> Query:
    """The query about jobs that are there now, by the clock of the server."""
    now = datetime.fromtimestamp(engine.overview.now() / 1000, UTC) + timedelta(milliseconds=1)
    until = _moment(query.until, now)
    return replace(query, until=now if until is None else min(until, now))


def _moment(bound: Bound, now: datetime) -> datetime | None:
    return now - bound if isinstance(bound, timedelta) else bound


def _at(bound: Bound, engine: Engine) -> str | None:
    now = datetime.fromtimestamp(engine.overview.now() / 1000, UTC)
    moment = _moment(bound, now)
    return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
