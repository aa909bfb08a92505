"""Why a job has failed, as its handle and the jobs above it tell it."""

from __future__ import annotations

from typing import Any

from flowforge.codec.binary import unpack_record
from flowforge.errors import ChildJobError
from flowforge.store.inspector import Inspector
from flowforge.store.reading import reading, typed, whole

#: Characters of a failure that travel up to the jobs which wait for the failed one.
ROOT_LIMIT = 1_500

#: What an error may tell beside its type and message. ``root``: see ``ChildJobError``.
_PARTS: dict[str, tuple[type, ...]] = {
    "traceback": (str,),
    "at": (str, type(None)),
    "routine_id": (str,),
    "slot": (str,),
    "invocation": (int, str),
    "attempt": (int,),
    "root": (list,),
}


def told_reason(inspector: Inspector, job_id: str) -> str:
    """The reason of a pause or an end; of a failure what happened where, and what to do."""
    reason, raw = inspector.fields(job_id, "reason", "error")
    if raw is None:
        return reason.decode() if reason else "no reason was given"
    error = read_error(inspector, job_id, raw)
    if "slot" not in error:
        return str(error["message"])
    at = f" ({error['at']})" if error.get("at") else ""
    return f"{error['routine_id']}.{error['slot']}: {error['type']}: {error['message']}{at}"


def child_error(inspector: Inspector, job_id: str, status: str) -> ChildJobError:
    """What a routine hears of a job that it has started and that has not completed."""
    begins = f"job {job_id}, which this routine has started, is {status}"
    if status != "failed":
        return ChildJobError(f"{begins}: {told_reason(inspector, job_id)}")
    root_id, reason = _root(inspector, job_id)
    because = "" if root_id == job_id else f" because of job {root_id}"
    error = ChildJobError(f"{begins}{because}: {reason}; a retry of this job retries that one too")
    error.root = (root_id, reason)
    return error


def _root(inspector: Inspector, job_id: str) -> tuple[str, str]:
    """The job at whose failure this one's began, however many jobs below, and what that says."""
    (raw,) = inspector.fields(job_id, "error")
    found = None if raw is None else read_error(inspector, job_id, raw).get("root")
    return (found[0], found[1]) if found else (job_id, told_reason(inspector, job_id)[:ROOT_LIMIT])


def read_error(inspector: Inspector, job_id: str, raw: bytes) -> dict[str, Any]:
    """What a job keeps as its error: a record, or the code that a script has left.

    CorruptRecordError for anything else.
    """
    with reading(f"the error of job {job_id}"):
        return _read_error(inspector, job_id, raw)


def _read_error(inspector: Inspector, job_id: str, raw: bytes) -> dict[str, Any]:
    code, _, rest = raw.partition(b" ")
    if code in (b"quarantined", b"undefined"):
        count, invocation = rest.decode().split(" ")
        return _coded_error(inspector, job_id, code.decode(), whole(count), invocation)
    if code == b"missing":
        return {"type": "CorruptRecordError", "message": _missing(whole(rest))}
    if code in (b"unfilled", b"late"):
        count, _, field = rest.decode().partition(" ")
        return _join_error(inspector, job_id, code.decode(), whole(count), field)
    (record,) = unpack_record(raw, f"the error of job {job_id}", 1)
    return _checked(typed(record, dict))


def _checked(error: dict[str, Any]) -> dict[str, Any]:
    """The error, when all that its readers use of it is of its type."""
    for name in ("type", "message", *(("routine_id",) if "slot" in error else ())):
        typed(error[name], str)
    for name, kinds in _PARTS.items():
        if name in error:
            typed(error[name], *kinds)
    if "root" in error:
        root_id, reason = error["root"]
        error["root"] = [typed(root_id, str), typed(reason, str)]
    return error


def _missing(count: int) -> str:
    return (
        f"{count} emissions of committed handlers are gone from the server, so the job cannot do "
        "all of its work; submit it again, and see that the server evicts and loses no keys"
    )


def _join_error(
    inspector: Inspector, job_id: str, code: str, count: int, field: str
) -> dict[str, Any]:
    joins = inspector.join_of(job_id, field)
    why = {
        "unfilled": "and nothing is left that could deliver more",
        "late": "when its timeout had passed",
    }[code]
    message = (
        f"the join {joins.routine_id}.{joins.slot}{joins.for_key} had {count} items, {why}; "
        'otherwise="fire" in its definition hands over what is there'
    )
    return {"type": "JoinNotFilled", "message": message, "routine_id": joins.routine_id}


def _coded_error(
    inspector: Inspector, job_id: str, code: str, count: int, invocation: str
) -> dict[str, Any]:
    if code == "undefined":
        message = f"the definition of the job is gone from the server, so {invocation} cannot run"
        return {"type": "CorruptRecordError", "message": message, "invocation": invocation}
    number, index = (whole(part) for part in invocation.split(".")[:2])
    routine_id = inspector.definition(job_id).routines[index].id
    message = (
        f"routine {routine_id!r} was quarantined: {count} workers were lost while they ran "
        f"invocation {number}. Look for a crash or an out-of-memory kill, mend it, then retry()"
    )
    return {
        "type": "Quarantined", "message": message, "routine_id": routine_id,
        "invocation": number,
    }  # fmt: skip
