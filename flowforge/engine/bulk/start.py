"""Starting a bulk operation: its jobs are collected on their servers, then it begins."""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from itertools import islice

from flowforge.common.bounded_repr import shown
from flowforge.engine.bulk.selection import Selection
from flowforge.engine.engine import Engine
from flowforge.errors import (
    BulkError,
    BulkOvertakenError,
    InvalidValueError,
    StoreUnavailableError,
)
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.bulks import NewBulk

#: Jobs collected by one call of the script, about 0.3 ms of the server's time.
_PIECE = 500


def start_bulk(
    engines: Sequence[Engine], selection: Selection, bulk: NewBulk, since: int | None = None
) -> str:
    """Start it when all is collected; its id, which is the same on all servers.

    ``since``: milliseconds, for BulkOvertakenError when another operation was started since then:
    the first server decides which of two is the earlier one.
    """
    bulk_id = secrets.token_hex(6)
    collected = dict.fromkeys(engines, 0)
    jobs = selection.found()
    while some := list(islice(jobs, _PIECE)):
        for engine in engines:
            ids = [job_id for job_id, home in some if home is engine]
            if ids:
                _collect(engine, bulk_id, collected[engine], ids)
                collected[engine] += len(ids)
    # One without jobs is done at once, and is kept like the others.
    homes = [engine for engine in engines if collected[engine]] or [engines[0]]
    total = sum(collected.values())
    for begun, engine in enumerate(homes):
        share = collected[engine] / total if total else 1.0
        rate = None if bulk.rate is None else bulk.rate * share
        new = bulk._replace(rate=rate)
        try:
            answer = engine.store.bulks.start(
                bulk_id, collected[engine], new, None if begun else since
            )
        except StoreUnavailableError as error:
            if not begun:
                raise
            raise BulkError(
                f"bulk operation {bulk_id} has begun on {begun} of {len(homes)} servers, and then: "
                f"{error}"
            ) from error
        if answer is Answer.CHANGED:
            raise BulkOvertakenError("another bulk operation was started meanwhile")
        if answer is Answer.GONE:
            raise _gone(bulk_id)
    return bulk_id


def _collect(engine: Engine, bulk_id: str, already: int, ids: list[str]) -> None:
    if engine.store.bulks.collect(bulk_id, already, ids) != already + len(ids):
        raise _gone(bulk_id)


def _gone(bulk_id: str) -> BulkError:
    return BulkError(
        f"the jobs that were collected for the bulk operation {bulk_id} are gone from the server, "
        "which keeps them for ten minutes; start it again"
    )


def checked_rate(rate: object) -> float | None:
    """Jobs a second; InvalidValueError for what is none."""
    if rate is None:
        return None
    number = isinstance(rate, (int, float)) and not isinstance(rate, bool)
    if not number or not 0 < float(rate) < math.inf:  # type: ignore[arg-type]
        raise InvalidValueError(f"rate must be jobs a second, above 0, not {shown(rate)}")
    return float(rate)  # type: ignore[arg-type]
