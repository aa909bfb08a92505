"""Finding jobs on all servers: pages, the newest jobs first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import NamedTuple

from flowforge.engine.engine import Engine
from flowforge.engine.job_items import scoped_key
from flowforge.errors import JobNotFoundError
from flowforge.settings import MOST
from flowforge.store.finding import Found, Query


class JobSearch(NamedTuple):
    """What a page was found by. ``limit``: None where none was given."""

    query: Query
    limit: int | None


def find(
    engines: Sequence[Engine], query: Query, limit: int
) -> tuple[list[tuple[Found, Engine]], str | None]:
    """At most ``limit`` jobs with the engines that they are on, and the cursor of the next page;
    None when there are no more jobs.
    """
    if limit == 0:
        return [], query.after
    limit = min(limit, MOST)  # ``islice`` counts to ``sys.maxsize``.
    streams = (_with_engine(engine, query, limit + 1) for engine in engines)
    merged = merge(*streams, key=lambda one: one[0], reverse=True)
    page = list(islice(merged, limit))
    more = next(merged, None) is not None
    return page, page[-1][0].cursor if more else None


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


def _with_engine(engine: Engine, query: Query, most: int) -> Iterator[tuple[Found, Engine]]:
    return ((found, engine) for found in engine.finder.find(query, most))
