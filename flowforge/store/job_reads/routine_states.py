"""How the routines of a job stand: their counters, stats, times, and what users keep with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowforge.codec.binary import unpackb
from flowforge.model.definition import Definition
from flowforge.model.jobs.status import COMMITTED, AttemptOutcome, RoutineStatus
from flowforge.store.history import history_details
from flowforge.store.reading import moment, typed, whole

#: Counters of a routine that a reader shows. ``started`` has all claims, also those that were given
#: back before their handlers (``released``); ``started`` less the others is what runs.
_CLOSED = tuple(outcome.value for outcome in AttemptOutcome)
COUNTERS = ("started", *_CLOSED)

#: Parts of a routine's state that FlowForge itself keeps; users add parts of their own.
FLOWFORGE_KEPT = frozenset(
    {
        *COUNTERS, "running", "stats", "started_at", "ended_at", "total_seconds",
        "latest_seconds", "last_error",
    }
)  # fmt: skip


def routine_states(
    definition: Definition,
    counters: dict[bytes, bytes],
    stats: dict[bytes, bytes],
    data: dict[bytes, bytes],
) -> dict[str, dict[str, Any]]:
    """State of every routine that ran or was given data, by routine id, of a job's three hashes."""
    states: dict[str, dict[str, Any]] = {}
    for index, routine in enumerate(definition.routines):
        state = _counted(counters, f"{index}.")
        if state:
            states[routine.id] = state
            raw = counters.get(f"{index}.error".encode())
            what = f"the latest error of {routine.id!r}"
            state["last_error"] = None if raw is None else _latest_error(raw, what)
            state["stats"] = _stats(stats, f"{index}.".encode())
    for key, value in data.items():
        routine_id, _, name = key.decode().partition("\x00")
        found = unpackb(value)
        kept = states.setdefault(routine_id, {})
        # What FlowForge keeps is never given by a user; a status is.
        if name not in FLOWFORGE_KEPT:
            kept[name] = typed(found, str) if name == "status" else found
    return states


def ended_invocations(state: Mapping[str, Any]) -> int:
    """How many invocations of a routine have ended."""
    return sum(int(state[outcome]) for outcome in COMMITTED)


def counted_attempts(state: Mapping[str, Any]) -> int:
    """How many attempts of a routine have begun, without those that were given back.

    The handler of what was given back was not called, or what it did does not count.
    """
    return int(state["started"]) - int(state[AttemptOutcome.RELEASED])


def failures(state: Mapping[str, Any]) -> int:
    """How many attempts of a routine have failed the job.

    A quarantined invocation has failed it too, although each of its attempts was lost.
    """
    quarantined = state["status"] == RoutineStatus.FAILED and state["lost"] > 0
    return max(int(state["failed"]), int(quarantined))


def _counted(counters: dict[bytes, bytes], prefix: str) -> dict[str, Any]:
    def get(name: str) -> bytes | None:
        return counters.get((prefix + name).encode())

    if get("started") is None:
        return {}
    state: dict[str, Any] = {name: whole(get(name) or 0) for name in COUNTERS}
    running = state["started"] - sum(state[name] for name in _CLOSED)
    began, ended = get("began"), get("ended")
    state["running"] = running
    latest = (get("status") or RoutineStatus.PENDING.encode()).decode()
    state["status"] = _routine_status(state, latest)
    state["started_at"] = moment(began) if began else None
    state["ended_at"] = moment(ended) if ended else None
    state["total_seconds"] = whole(get("micros") or 0) / 1e6
    state["latest_seconds"] = whole(get("latest") or 0) / 1e6
    return state


def _latest_error(raw: bytes, what: str) -> dict[str, Any] | None:
    """What an attempt has raised, when it was recorded, and at which place in the user's code."""
    when, _, details = raw.partition(b" ")
    error = history_details(AttemptOutcome.FAILED, details, what).get("error")
    if error is None:
        return None
    return {
        "type": error["type"], "message": error["message"], "when": moment(when),
        "at": error["at"] or None,
    }  # fmt: skip


def _routine_status(state: dict[str, Any], latest: str) -> str:
    """One word for all invocations of a routine; a failure that was passed over stays visible."""
    if state["running"] > 0:
        return RoutineStatus.RUNNING.value
    if latest in (RoutineStatus.PENDING, RoutineStatus.FAILED):
        return latest
    for passed_over in (RoutineStatus.ERROR_CONTINUED, RoutineStatus.SKIPPED):
        if state[passed_over]:
            return passed_over.value
    return latest


def _stats(stats: dict[bytes, bytes], prefix: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, value in stats.items():
        kind, name = field[:1], field[1:]
        if not name.startswith(prefix):
            continue
        text = name.removeprefix(prefix).decode()
        found[text] = unpackb(value) if kind == b"v" else _number(value.decode())
    return found


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)
