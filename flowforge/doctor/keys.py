"""The doctor on keys that hold jobs back: of which one job runs at a time, or that take calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from flowforge.common.bounded_repr import shown
from flowforge.common.counted import counted
from flowforge.doctor.findings import Finding, short
from flowforge.engine.engine import Engine
from flowforge.errors import FlowForgeError
from flowforge.store.job_reads.job_rows import ActiveJob

#: Milliseconds after which a job has waited for its turn for long.
_LONG_TURN = 3_600_000

#: Milliseconds after which a job has taken calls for long, and how many these are at least.
_LONG_WAIT = 24 * 3_600_000
_MANY_CALLS = 100

#: Jobs whose key is looked at, and keys that are named.
_LOOKED_AT = 100
_NAMED = 3


def examine_keys(engine: Engine, active: Sequence[ActiveJob]) -> Iterator[Finding]:
    """Findings on jobs that wait for their turns, and on debounced ones that never start."""
    now = engine.overview.now()
    held = [job for job in active if job.held and job.created < now - _LONG_TURN]
    yield from _turns(engine, held)
    many = [
        job.job_id for job in active if job.calls >= _MANY_CALLS and job.created < now - _LONG_WAIT
    ]
    yield from _calls(engine, many)


def _turns(engine: Engine, held: Sequence[ActiveJob]) -> Iterator[Finding]:
    holders: defaultdict[str, int] = defaultdict(int)
    for job in held[:_LOOKED_AT]:
        try:
            turn = engine.inspector.turn(job.job_id)
        except FlowForgeError:
            continue
        if turn is not None and turn.holder != job.job_id:
            holders[turn.holder] += 1
    if not holders:
        return
    keys = sorted(holders, key=lambda one: -holders[one])
    named = "; ".join(_holder(engine, one) for one in keys[:_NAMED])
    waiting = counted(
        sum(holders.values()), "job has been waiting for its turn",
        "jobs have been waiting for their turns",
    )  # fmt: skip
    at_least = "" if len(held) <= _LOOKED_AT else "at least "
    yield Finding(
        "warn", "single",
        f"{at_least}{waiting} for more than an hour: {named}",
        f"flowforge explain {keys[0]} says what keeps it; when it ends, or is cancelled, the next "
        "one goes on",
    )  # fmt: skip


def _holder(engine: Engine, job_id: str) -> str:
    """A job that has a key, and why it has not ended."""
    try:
        summary, _ = engine.inspector.describe(job_id)
        first = next(iter(engine.explain(job_id)), None)
    except FlowForgeError as error:
        return f"job {job_id} ({short(str(error), 100)})"
    why = "" if first is None else f" ({short(first.what, 100)})"
    return f"job {job_id} has the key {shown(summary.single)}{why}"


def _calls(engine: Engine, many: Sequence[str]) -> Iterator[Finding]:
    """Jobs that take calls without end, as each puts them off again."""
    endless = []
    for job_id in many[:_LOOKED_AT]:
        try:
            if engine.inspector.starts_at(job_id) and not engine.inspector.latest_start(job_id):
                endless.append(job_id)
        except FlowForgeError:
            continue
    if endless:
        yield Finding(
            "warn", "debounce",
            f"{counted(len(endless), 'job has', 'jobs have')} been put off by calls for more than "
            f"a day: {', '.join(endless[:_NAMED])}",
            f"flowforge start-now {endless[0]}; Debounce(..., at_most=...) ends such a wait",
        )  # fmt: skip
