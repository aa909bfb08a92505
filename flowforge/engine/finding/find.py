"""Finding jobs on all servers: pages of bounded work, the newest jobs first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import merge
from typing import NamedTuple

from flowforge.engine.engine import Engine
from flowforge.engine.submission.job_keys import scoped_key
from flowforge.errors import JobNotFoundError, RecordError, StoreUnavailableError
from flowforge.store.fleet_reads.finding import Query, Seen
from flowforge.store.fleet_reads.index_walk import Found
from flowforge.store.job_reads.job_rows import JobRows, JobSummary

#: Jobs that one call passes over because they do not fit: a look at so many rows takes the caller
#: some 15 ms.
PASSED_OVER = 1000

#: Rows that are read together.
_ROWS = 100


class JobSearch(NamedTuple):
    """What a page was found by. ``limit``: None where none was given."""

    query: Query
    limit: int | None


class FoundJobs(NamedTuple):
    """A page. ``cursor``: what the next one goes on from; None when there are no more jobs.

    ``looked_to``: the job behind which nothing was looked at, because many did not fit; None when
    the page is full or has all.
    """

    jobs: list[tuple[Found, Engine]]
    cursor: str | None
    looked_to: Found | None = None


def find(engines: Sequence[Engine], query: Query, limit: int) -> FoundJobs:
    """At most ``limit`` jobs; fewer when more than ``PASSED_OVER`` did not fit."""
    if limit == 0:
        return FoundJobs([], query.after)
    page: list[tuple[Found, Engine]] = []
    passed_over = 0
    for seen, engine in look(engines, query, limit + 1):
        place, full = seen.place, len(page) == limit
        if not seen.fits:
            passed_over += seen.passed_over
            if passed_over >= PASSED_OVER and place.has_cursor:
                return FoundJobs(page, place.cursor, None if full else place)
        elif full:
            return FoundJobs(page, page[-1][0].cursor)
        else:
            page.append((place, engine))
    return FoundJobs(page, None)


def look(
    engines: Sequence[Engine], query: Query, most: int,
    silent: list[StoreUnavailableError] | None = None,
) -> Iterator[tuple[Seen, Engine]]:  # fmt: skip
    """What ``Finder.look`` says on each server, in one order: all servers have been looked at up to
    the latest place. ``silent``: gets the errors of servers that do not answer.
    """
    streams = (_look_at(engine, query, most, silent) for engine in engines)
    return merge(*streams, key=_place, reverse=True)


def summaries(
    page: Sequence[tuple[Found, Engine]], left_out: list[RecordError] | None = None
) -> list[JobSummary]:
    """The jobs of a page in its order; ``left_out`` gets the errors of rows that cannot be read."""
    by_engine: dict[Engine, list[str]] = {}
    for found, engine in page:
        by_engine.setdefault(engine, []).append(found.job_id)
    read: dict[str, JobSummary] = {}
    for engine, job_ids in by_engine.items():
        for start in range(0, len(job_ids), _ROWS):
            for job in JobRows(engine.store).summaries(job_ids[start : start + _ROWS]):
                if isinstance(job, JobSummary):
                    read[job.job_id] = job
                elif left_out is not None:
                    left_out.append(job)
    return [read[found.job_id] for found, _ in page if found.job_id in read]


def job_with_key(engines: Sequence[Engine], flow_id: str, key: str) -> tuple[str, Engine]:
    """The job of a flow with an idempotency key; JobNotFoundError when there is none."""
    for engine in engines:
        job_id = engine.overview.job_with_key(scoped_key(flow_id, key))
        if job_id is not None:
            return job_id, engine
    raise JobNotFoundError(
        f"flow {flow_id!r} has no job with the idempotency key {key!r}: it is kept as long as its "
        "job"
    )


def _look_at(
    engine: Engine, query: Query, most: int, silent: list[StoreUnavailableError] | None
) -> Iterator[tuple[Seen, Engine]]:
    try:
        for seen in engine.finder.look(query, most):
            yield seen, engine
    except StoreUnavailableError as error:
        if silent is None:
            raise
        silent.append(error)


def _place(one: tuple[Seen, Engine]) -> Found:
    return one[0].place
