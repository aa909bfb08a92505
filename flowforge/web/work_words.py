"""How a page says where the invocations of a job are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowforge.model.jobs.connection_count import ConnectionCount, JobWork, WorkPlaces
from flowforge.model.jobs.job_finding import FindingKind
from flowforge.model.jobs.status import RoutineStatus
from flowforge.web.filters import number

#: Why an invocation waits.
_WAITS = {
    FindingKind.QUEUED: "queued",
    FindingKind.TIMER: "on a timer",
    FindingKind.CHILD: "for a child job",
    FindingKind.EXPECTS: "for an answer",
    FindingKind.LIMIT: "at a limit",
    FindingKind.BREAKPOINT: "at a breakpoint",
    FindingKind.PAUSED: "parked: paused",
    FindingKind.FAILED: "parked: the job failed",
    FindingKind.MAX_IN_FLIGHT: "parked: no room",
    FindingKind.IN_TURN: "parked: in turn",
}


def standing(
    states: Mapping[str, Mapping[str, Any]], work: JobWork | None
) -> dict[str, Mapping[str, Any]]:
    """The states of routines as a page shows them: one whose latest attempt completed is pending
    where more of its work waits.
    """
    if work is None:
        return dict(states)
    # What a step has emitted and there is no room for is known of connections alone.
    staged = {
        one.connection.target_routine_id
        for one in work.connections
        if one.places is not None and one.places.waiting
    }
    return {
        name: {**state, "status": RoutineStatus.PENDING.value}
        if _is_between(state, work.routines.get(name), name in staged)
        else state
        for name, state in states.items()
    }


def _is_between(state: Mapping[str, Any], places: WorkPlaces | None, staged: bool) -> bool:
    if state["status"] != RoutineStatus.COMPLETED.value:
        return False
    return staged or (places is not None and bool(places.waiting or places.other))


def waits(places: WorkPlaces | None) -> str:
    """What waits, by cause; empty where nothing does."""
    return ", ".join(_parts(places)) if places is not None else ""


def _parts(places: WorkPlaces) -> Iterator[str]:
    about = "≈" if places.is_estimate else ""
    for cause, count in places.waiting.items():
        yield f"{about}{number(count)} {_WAITS.get(FindingKind(cause), cause)}"
    if places.other:
        yield f"{about}{number(places.other)} running or parked"


def amount(value: int | None, is_estimate: bool) -> str:
    """A number, with a sign where it is an estimate."""
    if value is None:
        return "not known"
    return f"≈{number(value)}" if is_estimate else number(value)


def label(count: ConnectionCount) -> str:
    """What stands beside the line of a connection: done and delivered, and the failed ones; nothing
    where nothing went over it.
    """
    if not count.delivered:
        return ""
    text = amount(count.delivered, count.is_estimate)
    if count.done is not None and count.done < count.delivered:
        text = f"{amount(count.done, count.is_estimate)}/{text}"
    return f"{text} ✕{number(count.failed)}" if count.failed else text


def sentence(count: ConnectionCount) -> str:
    """All that is known of a connection."""
    delivered = amount(count.delivered, count.is_estimate)
    parts = ["not known" if count.delivered is None else f"{delivered} delivered"]
    if count.done is not None:
        parts.append(f"{amount(count.done, count.is_estimate)} done")
    if count.places is not None:
        if count.places.running:
            parts.append(f"{number(count.places.running)} running")
        parts += _parts(count.places)
    if count.failed:
        parts.append(f"{number(count.failed)} failed")
    return f"{count.connection}: {', '.join(parts)}"
