"""Which jobs a bulk operation is about."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import islice
from typing import NamedTuple

from flowforge.engine.engine import Engine
from flowforge.engine.finding.find import JobSearch, look
from flowforge.model.jobs.labels import label_line
from flowforge.model.jobs.status import JobStatus
from flowforge.settings import MOST
from flowforge.store.fleet_reads.finding import Bound, Query, Seen

#: Jobs that are looked at together.
_LOOK = 500

#: Jobs that a preview names.
SAMPLES = 5


class Counted(NamedTuple):
    """Jobs by status. ``looked_at``: of so many jobs. ``job_ids``: the newest ones.

    ``exact``: these are all; otherwise there may be more.
    """

    statuses: Counter[str]
    looked_at: int
    job_ids: list[str]
    exact: bool


class Selection(ABC):
    """Jobs with the engines that they are on."""

    @abstractmethod
    def text(self) -> str:
        """The jobs in words, for what is kept of the operation."""

    @abstractmethod
    def found(self) -> Iterator[tuple[str, Engine]]:
        """The jobs, the newest first; none of them twice."""

    @abstractmethod
    def counted(self) -> Iterator[Counted]:
        """How many jobs there are, after each piece that was looked at; the last one is exact."""

    def known(self) -> int | None:
        """How many jobs there are, if that is known without a look at each."""
        return None


class Listed(Selection):
    """Jobs that are named one by one."""

    def __init__(self, jobs: Sequence[tuple[str, Engine]]) -> None:
        self._jobs = list(dict(jobs).items())

    def text(self) -> str:
        number = len(self._jobs)
        return "1 job by its id" if number == 1 else f"{number} jobs by their ids"

    def found(self) -> Iterator[tuple[str, Engine]]:
        return iter(self._jobs)

    def counted(self) -> Iterator[Counted]:
        counts = Counter[str]()
        for start in range(0, len(self._jobs), _LOOK):
            counts += _statuses(self._jobs[start : start + _LOOK])
        names = [job_id for job_id, _ in self._jobs[:SAMPLES]]
        yield Counted(counts, len(self._jobs), names, exact=True)


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
            f"error {query.error}" if query.error is not None else "",
            f"started by {query.parent}" if query.parent is not None else "",
            f"behind {query.after}" if query.after is not None else "",
            f"the newest {self._limit}" if self._limit is not None else "",
        ]
        return ", ".join(filter(None, parts)) or "every job"

    def found(self) -> Iterator[tuple[str, Engine]]:
        fitting = ((seen.place.job_id, engine) for seen, engine in self._look() if seen.fits)
        return islice(fitting, self._limit)

    def counted(self) -> Iterator[Counted]:
        statuses = self._indexed()
        if statuses is not None:
            newest = [job_id for job_id, _ in islice(self.found(), SAMPLES)]
            yield Counted(statuses, statuses.total(), newest, exact=True)
            return
        counts, names, some = Counter[str](), list[str](), list[tuple[str, Engine]]()
        taken = passed_over = 0
        for seen, engine in self._look() if self._limit != 0 else ():
            if seen.fits:
                some.append((seen.place.job_id, engine))
                taken += 1
                if taken == self._limit:
                    break
            else:
                passed_over += seen.passed_over
                counts, names, some = _added(counts, names, some)
                yield Counted(counts, passed_over + taken, names, exact=False)
        counts, names, _ = _added(counts, names, some)
        yield Counted(counts, passed_over + taken, names, exact=True)

    def known(self) -> int | None:
        counts = [engine.finder.count(query) for engine, query in self._queries]
        total = sum(count for count in counts if count is not None)
        if None in counts:
            return None
        return total if self._limit is None else min(total, self._limit)

    def _indexed(self) -> Counter[str] | None:
        """How many jobs there are of each status, where the indexes of statuses know."""
        query, found = self._query, Counter[str]()
        if self._limit is not None or query.flow_id is not None or query.labels:
            return None
        for status in [query.status] if query.status is not None else list(JobStatus):
            for engine, bounded in self._queries:
                count = engine.finder.count(replace(bounded, status=status))
                if count is None:
                    return None
                found[status] += count
        return found

    def _look(self) -> Iterator[tuple[Seen, Engine]]:
        streams = (look([engine], query, _LOOK) for engine, query in self._queries)
        return merge(*streams, key=lambda one: one[0].place, reverse=True)


def _statuses(jobs: Sequence[tuple[str, Engine]]) -> Counter[str]:
    counts = Counter[str]()
    for home in {engine for _, engine in jobs}:
        counts += home.finder.statuses([job_id for job_id, engine in jobs if engine is home])
    return counts


def _added(
    counts: Counter[str], names: list[str], jobs: list[tuple[str, Engine]]
) -> tuple[Counter[str], list[str], list[tuple[str, Engine]]]:
    """With some more jobs, which are behind those counted before."""
    more = [job_id for job_id, _ in jobs[: SAMPLES - len(names)]]
    return counts + _statuses(jobs), names + more, []


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
