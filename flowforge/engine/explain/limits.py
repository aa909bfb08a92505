"""The findings on invocations that wait for places of limits."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from flowforge.common.counted import counted
from flowforge.common.duration import duration
from flowforge.engine.job_server import JobServer
from flowforge.engine.limits import holder_number, holder_text, in_force
from flowforge.model.definition import Definition
from flowforge.model.invocation_id import InvocationName
from flowforge.model.jobs.job_finding import FindingKind, JobFinding
from flowforge.model.limit import WHOLE_JOB, LimitSettings
from flowforge.store.fleet_reads.usual_times import UsualTimes
from flowforge.store.reading import moment, reading
from flowforge.store.transitions.limits import AtLimit, LimitUsage

#: Invocations, and holders of places, that are named.
_SAMPLES = 5
_HOLDERS = 3


def at_limits(
    server: JobServer, job_id: str, count: int, definition: Definition
) -> Iterator[JobFinding]:
    """Those that came first, of ``count``: what has the places, and how many are before them."""
    if not count:
        return
    limits = server.store.limits
    found, stored = limits.waiting_of(job_id, _SAMPLES), limits.stored()
    if not found:
        yield JobFinding(
            FindingKind.LIMIT.value,
            f"{counted(count, 'invocation waits', 'invocations wait')} for places of limits",
            count=count, command="flowforge limits list",
        )  # fmt: skip
    for one, usage in zip(found, limits.usage([one.key for one in found]), strict=True):
        yield _finding(server, job_id, count, definition, one, usage, in_force(one.key, stored))


def _finding(
    server: JobServer, job_id: str, count: int, definition: Definition, found: AtLimit,
    usage: LimitUsage, force: LimitSettings,
) -> JobFinding:  # fmt: skip
    number: int | None = None
    routine_id = slot = usual = None
    what = "the job, as a whole,"
    if found.invocation != WHOLE_JOB:
        with reading(f"the invocations of job {job_id}"):
            invocation = InvocationName.parse(found.invocation)
        number, (routine_id, slot) = invocation.number, definition.place_of(invocation)
        usual = UsualTimes(server.store).seconds(job_id, invocation.routine)
        what = f"{routine_id}.{slot} (invocation {number})"
    holders = server.store.limits.holders(found.key, _HOLDERS)
    about = _seconds(found, usage, force, usual, server.overview.now())
    before = counted(found.before, "waits", "wait")
    what += f" waits for the limit {found.key}: {', '.join(_why(usage, force, holders))}"
    what += f"; {before} before it"
    what += "" if about is None else f"; its turn comes in about {duration(about)}"
    what += f" (one of {count})" if count > 1 else ""
    return JobFinding(
        FindingKind.LIMIT.value,
        what,
        since=moment(found.since),
        command=f"flowforge limits show {shlex.quote(found.key)}",
        invocation=number,
        routine_id=routine_id,
        slot=slot,
        count=count,
        details={
            "key": found.key, "before": found.before, "about_seconds": about,
            "taken": usage.running + usage.reserved, "running": force.most_running,
            "rate": force.most_started, "held_by": [_holder(one) for one in holders],
            "rests_until": None if usage.rests_until is None else moment(usage.rests_until),
        },
    )  # fmt: skip


def _why(usage: LimitUsage, force: LimitSettings, holders: list[tuple[str, str]]) -> Iterator[str]:
    if usage.rests_until is not None:
        yield "it rests, because a handler was told to come again later"
    if force.most_running is not None:
        taken = usage.running + usage.reserved
        named = "; ".join(holder_text(*one) for one in holders)
        places = counted(force.most_running, "place is", "places are")
        yield f"{taken} of {places} taken" + (f" ({named})" if named else "")
    if force.most_started is not None:
        yield f"{force.most_started} start in {force.period:g} s"


def _seconds(
    found: AtLimit, usage: LimitUsage, force: LimitSettings, usual: float | None, now: int
) -> float | None:
    """About how long it waits for its turn; None where nothing tells."""
    times = []
    if usage.rests_until is not None:
        times.append((usage.rests_until - now) / 1000)
    if force.most_started:
        times.append((found.before + 1) * force.period / force.most_started)
    if force.most_running and usual is not None:
        times.append((found.before + 1) * usual / force.most_running)
    return max(times, default=None)


def _holder(holder: tuple[str, str]) -> dict[str, Any]:
    job_id, name = holder
    return {"job_id": job_id, "invocation": holder_number(name)}
