"""Finding jobs on all servers: pages, the newest jobs first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice

from flowforge.engine.engine import Engine
from flowforge.store.finding import Found, Query


def find(
    engines: Sequence[Engine], query: Query, limit: int
) -> tuple[list[tuple[Found, Engine]], str | None]:
    """At most ``limit`` jobs with the engines that they are on, and the cursor of the next page;
    None when there are no more jobs.
    """
    if limit == 0:
        return [], query.after
    streams = (_with_engine(engine, query, limit + 1) for engine in engines)
    merged = merge(*streams, key=lambda one: one[0], reverse=True)
    page = list(islice(merged, limit))
    more = next(merged, None) is not None
    return page, page[-1][0].cursor if more else None


def _with_engine(engine: Engine, query: Query, most: int) -> Iterator[tuple[Found, Engine]]:
    return ((found, engine) for found in engine.finder.find(query, most))
