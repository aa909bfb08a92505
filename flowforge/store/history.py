"""The history of a job: what happened, in the store's order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from flowforge.codec.binary import pack_record, read_invocation, unpack_record
from flowforge.model.definition import Definition
from flowforge.model.invocation_id import InvocationName
from flowforge.model.jobs.job_handle import HistoryEntry
from flowforge.store.reading import moment, reading, typed, whole


def submitted(at: datetime) -> HistoryEntry:
    """The first entry of every history: when the job was submitted."""
    return HistoryEntry("0-0", at, "submitted", None, None, None, {})


def history_entry(raw: list[Any], definition: Definition, job_id: str) -> HistoryEntry:
    """An entry of the job's stream; CorruptRecordError when it cannot be read."""
    entry_id = raw[0].decode()
    what = f"history entry {entry_id} of job {job_id}"
    with reading(what):
        pairs = dict(zip(raw[1][::2], raw[1][1::2], strict=True))
        kind, invocation = pairs[b"k"].decode(), pairs[b"t"].decode()
        at = moment(entry_id.partition("-")[0].encode())
        details = entry_details(kind, pairs, what)
        if not invocation:
            return HistoryEntry(entry_id, at, kind, None, None, None, details)
        named = InvocationName.parse(invocation)
        return HistoryEntry(entry_id, at, kind, named.number, *definition.place_of(named), details)


def entry_details(kind: str, fields: Mapping[bytes, bytes], what: str) -> dict[str, Any]:
    """What an entry of this kind says beyond its place, of its fields in the stream."""
    details = history_details(kind, fields[b"p"], what)
    # Beside the record: a former release, which reads a record of six fields, passes over it.
    if b"w" in fields:
        details["queued"] = whole(fields[b"w"]) / 1000
    return details


def history_details(kind: str, packed: bytes, what: str) -> dict[str, Any]:
    """What an entry of this kind says beyond its place."""
    if not packed:
        return {}
    read = _READERS.get(kind, _attempt)
    return read(packed, what)


def _attempt(packed: bytes, what: str) -> dict[str, Any]:
    worker, attempt, micros, emitted, params, error = unpack_record(packed, what, 6)
    details = {
        "worker": typed(worker, str),
        "attempt": typed(attempt, int),
        "seconds": typed(micros, int) / 1e6,
        "emitted": typed(emitted, dict),
    }
    if params is not None:
        details["params"] = read_invocation(params, what)[1]
    if error is not None:
        details["error"] = _error(typed(error, list))
    return details


def _error(parts: list[Any]) -> dict[str, str]:
    """What an attempt has raised; some records have no ``at``: the place in the user's code."""
    kind, message, traceback, *place = (typed(part, str) for part in parts)
    at = place[0] if place else ""
    return {"type": kind, "message": message, "traceback": traceback, "at": at}


def _lost(packed: bytes, _: str) -> dict[str, Any]:
    return {"worker": packed.decode()}


def pause_record(by: str, reason: str, has_checkpoint: bool, checkpoint: Any) -> bytes:
    """A pause, for the history and for the list of pauses."""
    return pack_record(reason, has_checkpoint, checkpoint, by)


def read_pause(packed: bytes, what: str) -> dict[str, Any]:
    """Why and by whom a job was paused; a former release did not keep who it was."""
    reason, given, checkpoint, *rest = unpack_record(packed, what, 3, 4)
    return {
        "reason": typed(reason, str),
        "checkpoint": checkpoint if given else None,
        "by": typed(rest[0], str) if rest else "",
    }


def who_and_why(by: str, reason: str) -> bytes:
    """What is kept of a person's doing."""
    return pack_record(by, reason)


def _reason(packed: bytes, what: str) -> dict[str, Any]:
    (about,) = unpack_record(packed, what, 1)
    told: dict[Any, Any] = about if isinstance(about, dict) else {"reason": about}
    return {typed(name, str): typed(text, str) for name, text in told.items()}


def _cancelled(packed: bytes, what: str) -> dict[str, Any]:
    """A former release kept the reason alone."""
    about = unpack_record(packed, what, 1, 2)
    by, reason = about if len(about) == 2 else ("", about[0])
    return {"reason": typed(reason, str), **({"by": typed(by, str)} if by else {})}


def _note(packed: bytes, what: str) -> dict[str, Any]:
    routine_id, event, data = unpack_record(packed, what, 3)
    return {"routine_id": typed(routine_id, str), "event": event, "data": data}


def _by_operator(packed: bytes, what: str) -> dict[str, Any]:
    by, *reason = unpack_record(packed, what, 1, 2)
    why = typed(reason[0], str) if reason else ""
    return {"by": typed(by, str), **({"reason": why} if why else {})}


def _rescheduled(packed: bytes, what: str) -> dict[str, Any]:
    before, at, record = packed.split(b" ", 2)
    times = {"before": moment(before), "at": moment(at)}
    return {**_by_operator(record, what), **times}


def _deadline(packed: bytes, _: str) -> dict[str, Any]:
    what, ms = packed.decode().split(" ")
    return {"deadline": what, "seconds": whole(ms) / 1000}


def _late(packed: bytes, _: str) -> dict[str, Any]:
    ms, name = packed.decode().split(" ", 1)
    return {"event": name, "seconds": whole(ms) / 1000}


def _waited_at_limit(packed: bytes, _: str) -> dict[str, Any]:
    ms, key = packed.decode().split(" ", 1)
    return {"limit": key, "seconds": whole(ms) / 1000}


def _dropped_at_limit(packed: bytes, _: str) -> dict[str, Any]:
    return {"limit": packed.decode()}


def _let_go(packed: bytes, what: str) -> dict[str, Any]:
    by, *routine = unpack_record(packed, what, 1, 2)
    at = {"routine_id": typed(routine[0], str)} if routine else {}
    return {"by": typed(by, str), **at}


def _breakpoint(packed: bytes, what: str) -> dict[str, Any]:
    names = ("by", "routine_id", "condition")
    parts = unpack_record(packed, what, 3)
    return {name: typed(part, str) for name, part in zip(names, parts, strict=True) if part}


def _edited(packed: bytes, what: str) -> dict[str, Any]:
    by, changes = unpack_record(packed, what, 2)
    shown = {typed(name, str): {"old": old, "new": new} for name, old, new in changes}
    return {"by": typed(by, str), "changes": shown}


def _forked(packed: bytes, what: str) -> dict[str, Any]:
    by, job_id, numbers = unpack_record(packed, what, 3)
    invocations = [typed(number, int) for number in typed(numbers, list)]
    return {"by": typed(by, str), "job_id": typed(job_id, str), "invocations": invocations}


def _expects(packed: bytes, what: str) -> dict[str, Any]:
    (about,) = unpack_record(packed, what, 1)
    key, assigned = typed(about.get("key", ""), str), typed(about.get("assign", []), list)
    names = [typed(name, str) for name in assigned]
    return {**({"key": key} if key else {}), **({"assign": names} if names else {})}


def _answered(packed: bytes, what: str) -> dict[str, Any]:
    by, about = unpack_record(packed, what, 2)
    told = {typed(name, str): typed(text, str) for name, text in typed(about, dict).items() if text}
    return {"by": typed(by, str), **told}


def _undo(packed: bytes, what: str) -> dict[str, Any]:
    job_id, count = packed.decode().split(" ")
    return {"job_id": job_id, "count": whole(count)}


def _undo_ended(packed: bytes, what: str) -> dict[str, Any]:
    job_id, status = packed.decode().split(" ")
    return {"job_id": job_id, "status": status}


def _other_job(packed: bytes, _: str) -> dict[str, Any]:
    return {"job_id": packed.decode()}


def _debounced(packed: bytes, what: str) -> dict[str, Any]:
    key, wait, at_most, keep = unpack_record(packed, what, 4)
    limit = {} if at_most is None else {"at_most": typed(at_most, int) / 1000}
    wait_seconds = typed(wait, int) / 1000
    return {"key": typed(key, str), "wait": wait_seconds, **limit, "keep": typed(keep, str)}


def _skipped_by_hand(packed: bytes, what: str) -> dict[str, Any]:
    by, emitted = unpack_record(packed, what, 2)
    return {"by": typed(by, str), "emitted": typed(emitted, dict)}


#: Kind of entry -> what reads its details; those of the other kinds are of attempts.
_READERS: dict[str, Callable[[bytes, str], dict[str, Any]]] = {
    "lost": _lost,
    "debounced": _debounced,
    "waited_at_limit": _waited_at_limit,
    "dropped_at_limit": _dropped_at_limit,
    "replaced_at_limit": _dropped_at_limit,
    "held": _other_job,
    "replaced": _other_job,
    "started_job": _other_job,
    "paused": read_pause,
    "resumed": _by_operator,
    "cancelled": _cancelled,
    "given_back": _reason,
    "recorded": _note,
    "retry": _by_operator,
    "run_now": _by_operator,
    "rescheduled": _rescheduled,
    "edited": _edited,
    "forked": _forked,
    "break_set": _breakpoint,
    "break_cleared": _breakpoint,
    "let_go": _let_go,
    "deadline_missed": _deadline,
    "late": _late,
    "forked_from": _forked,
    "expects": _expects,
    "answered": _answered,
    "answer_kept": _answered,
    "answer_unused": _answered,
    "skipped_by_hand": _skipped_by_hand,
    "undo": _undo,
    "undo_ended": _undo_ended,
}
