"""One look at a fleet for a screen: what the view shows alone, bounded with any number of jobs."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from flowforge.engine.engine import Engine, Submitter
from flowforge.engine.finding.find import find, summaries
from flowforge.engine.fleet.server_fleet import ServerFleet, server_fleet
from flowforge.engine.fleet.throughput import HOUR, throughput
from flowforge.engine.jobs.job_report import routines
from flowforge.errors import InvalidValueError, StoreUnavailableError
from flowforge.model.jobs.job_finding import JobFinding
from flowforge.model.jobs.status import AttemptOutcome, JobStatus
from flowforge.store.fleet_reads.finding import Query
from flowforge.store.fleet_reads.index_walk import Found
from flowforge.store.fleet_reads.totals import NO_ATTEMPTS, AttemptTotals, Totals
from flowforge.store.job_reads.job_rows import JobDetails, JobSummary

#: Jobs that are read at most. A screen shows fewer; the search finds others.
MOST = 200

#: Seconds for which the minutes of the last hour are not read again.
_KEPT = 20.0

#: What goes on comes before what has ended.
_FIRST = (JobStatus.RUNNING, JobStatus.PAUSED, JobStatus.PENDING)


class View(StrEnum):
    """What a screen shows, in the order of its keys 1 to 4."""

    JOBS = "jobs"
    ROUTINES = "routines"
    QUEUES = "queues"
    WORKERS = "workers"


class Wanted(NamedTuple):
    """What to read. ``job_id``: of the job that is open, which hides the view."""

    view: View
    query: Query = Query()
    job_id: str | None = None


@dataclass(frozen=True)
class RoutineTotals:
    """The attempts of a routine since the fleet began, of all its jobs. Times in seconds."""

    flow_id: str
    routine_id: str
    done: int
    failed: int
    retried: int
    lost: int
    mean: float | None


@dataclass(frozen=True)
class OpenJob:
    """All that the screen shows of one job."""

    summary: JobSummary
    details: JobDetails
    routines: dict[str, dict[str, Any]]
    findings: list[JobFinding]


@dataclass(frozen=True)
class Look:
    """What was read. ``silent``: why servers are left out. ``ended``: jobs by minute."""

    wanted: Wanted
    at: datetime
    counts: dict[str, int]
    silent: list[str]
    jobs: list[JobSummary] = field(default_factory=list)
    routines: list[RoutineTotals] = field(default_factory=list)
    fleets: list[ServerFleet] = field(default_factory=list)
    job: OpenJob | None = None
    ended: list[int | None] = field(default_factory=list)
    leading: bool = True


class Reader:
    """Reads all servers of an engine. StoreUnavailableError when none answers."""

    def __init__(self, submitter: Submitter) -> None:
        self._submitter = submitter
        self._ended: list[int | None] = []
        self._ended_at: float | None = None

    def look(self, wanted: Wanted) -> Look:
        """One look."""
        engines, counts, silent, leading = self._answering()
        look = Look(wanted, datetime.now(UTC), counts, silent, leading=leading)
        if wanted.job_id is not None:
            return replace(look, job=self._job(wanted.job_id))
        if wanted.view is View.JOBS:
            jobs = _jobs(engines, wanted.query)
            return replace(look, jobs=jobs, ended=self._minutes(engines))
        if wanted.view is View.ROUTINES:
            return replace(look, routines=_routines(engines))
        return replace(look, fleets=self._fleets(engines))

    def everything(self, query: Query) -> Look:
        """All views in one."""
        engines, counts, silent, leading = self._answering()
        return Look(
            Wanted(View.JOBS, query), datetime.now(UTC), counts, silent, _jobs(engines, query),
            _routines(engines), self._fleets(engines), None, self._minutes(engines), leading,
        )  # fmt: skip

    def _answering(self) -> tuple[list[Engine], dict[str, int], list[str], bool]:
        """The engines whose servers answer, and how many jobs these have by status."""
        engines: list[Engine] = []
        counts = dict.fromkeys((status.value for status in JobStatus), 0)
        silent: list[StoreUnavailableError] = []
        leading = True
        for engine in self._submitter.each:
            try:
                for status, count in engine.overview.counts().items():
                    counts[status] += count
                leading = engine.overview.has_leader() and leading
            except StoreUnavailableError as error:
                silent.append(error)
            else:
                engines.append(engine)
        if silent and not engines:
            raise silent[0]
        return engines, counts, [str(error) for error in silent], leading

    def _job(self, job_id: str) -> OpenJob:
        engine = self._submitter.of(job_id)
        summary, details = engine.inspector.describe(job_id)
        return OpenJob(summary, details, routines(engine, job_id), engine.explain(job_id))

    def _fleets(self, engines: Sequence[Engine]) -> list[ServerFleet]:
        named = len(self._submitter.each) > 1
        return [server_fleet(engine, named=named) for engine in engines]

    def _minutes(self, engines: Sequence[Engine]) -> list[int | None]:
        now = time.monotonic()
        if self._ended_at is None or now - self._ended_at > _KEPT:
            whole = throughput(engines, HOUR).whole
            self._ended = [
                None if one is None else one.completed + one.failed + one.cancelled for one in whole
            ]
            self._ended_at = now
        return self._ended


def query_of(text: str) -> Query:
    """A search as it is typed: a status, ``flow:NAME``, labels as ``NAME=VALUE``, other words."""
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    status = flow = None
    labels: dict[str, str] = {}
    others = []
    for word in words:
        name, sign, value = word.partition("=")
        if word in list(JobStatus):
            status = word
        elif word.startswith("flow:") and len(word) > 5:
            flow = word[5:]
        elif sign and name and value:
            labels[name] = value
        else:
            others.append(word)
    try:
        return Query(flow, status, labels, text=" ".join(others) or None)
    except InvalidValueError:
        return Query(text=text or None)


def _jobs(engines: Sequence[Engine], query: Query) -> list[JobSummary]:
    """Those that go on first, then all others; each the newest first."""
    statuses = _FIRST if query.status is None else ()
    queries = [replace(query, status=status.value) for status in statuses]
    found: dict[str, tuple[Found, Engine]] = {}
    for one in (*queries, query):
        if len(found) < MOST:
            found.update({place.job_id: (place, e) for place, e in find(engines, one, MOST).jobs})
    return summaries(list(found.values())[:MOST])


def _routines(engines: Sequence[Engine]) -> list[RoutineTotals]:
    totals: dict[tuple[str, str], AttemptTotals] = {}
    for engine in engines:
        for name, its in Totals(engine.store).attempts().items():
            place = (name.flow_id, name.routine_id)
            totals[place] = totals.get(place, NO_ATTEMPTS) + its
    return [_routine_totals(*place, totals[place]) for place in sorted(totals)]


def _routine_totals(flow_id: str, routine_id: str, totals: AttemptTotals) -> RoutineTotals:
    outcomes, run = totals.outcomes, totals.run
    return RoutineTotals(
        flow_id or "(others)", routine_id or "(others)",
        outcomes[AttemptOutcome.COMPLETED], outcomes[AttemptOutcome.FAILED],
        outcomes[AttemptOutcome.RETRIED], outcomes[AttemptOutcome.LOST],
        run.seconds / run.count if run.count else None,
    )  # fmt: skip
