"""What a job keeps as its error: a record of a worker, or the code that a script has left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowforge.codec.binary import unpack_record
from flowforge.model.answers.expectation import place_text
from flowforge.model.definition import Definition
from flowforge.model.invocation_id import InvocationName
from flowforge.store.job_reads.open_joins import open_join
from flowforge.store.reading import reading, typed, whole

#: What an error may tell beside its type and message. ``root``: see ``ChildJobError``.
_PARTS: dict[str, tuple[type, ...]] = {
    "traceback": (str,),
    "at": (str, type(None)),
    "routine_id": (str,),
    "slot": (str,),
    "invocation": (int, str),
    "attempt": (int,),
    "root": (list,),
    "trace_id": (str,),
    "span_id": (str,),
}


def read_error(raw: bytes, job_id: str, definition: Callable[[], Definition]) -> dict[str, Any]:
    """The error as its readers see it: ``type``, ``message`` and more; CorruptRecordError for what
    is none. ``definition``: asked only for the codes that name a place in it.
    """
    with reading(f"the error of job {job_id}"):
        code, _, rest = raw.partition(b" ")
        if code in _MISSED:
            return _missed(code, whole(rest))
        return _read_error(raw, job_id, definition)


def _read_error(  # noqa: PLR0911 - a code each
    raw: bytes, job_id: str, definition: Callable[[], Definition]
) -> dict[str, Any]:
    code, _, rest = raw.partition(b" ")
    if code in (b"quarantined", b"undefined"):
        count, invocation = rest.decode().split(" ")
        losses = whole(count)
        if code == b"undefined":
            return _undefined(invocation)
        return _quarantined(losses, invocation, definition())
    if code == b"full":
        return {
            "type": "Limited",
            "message": f"the limit {rest.decode().partition(' ')[2]} is full",
        }
    if code == b"missing":
        return {"type": "CorruptRecordError", "message": _missing(whole(rest))}
    if code == b"unkept":
        return {"type": "UndoLogFull", "message": _unkept(whole(rest))}
    if code == b"unanswered":
        number, _, field = rest.decode().partition(" ")
        return _unanswered(whole(number), field, definition())
    if code in _UNFILLED:
        count, _, field = rest.decode().partition(" ")
        return _unfilled(code, whole(count), field, job_id, definition())
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


def _unkept(most: int) -> str:
    return (
        f"the job has committed more than {most:,} invocations that can be undone, which is the "
        "most that is kept of one job, so that it ends here and all of them are undone; split it "
        "into child jobs, or into jobs of fewer steps"
    )


#: Codes of a deadline that was missed: type, what the job had not done, and what was given for it.
_MISSED = {
    b"unstarted": ("NotStartedInTime", "started", "start_within"),
    b"unfinished": ("NotFinishedInTime", "finished", "finish_within"),
}


def _missed(code: bytes, ms: int) -> dict[str, Any]:
    kind, done, option = _MISSED[code]
    message = f"the job had not {done} when its {option} of {ms / 1000:g} s was over"
    return {"type": kind, "message": message}


#: Codes of a join that did not get what it needs, and why.
_UNFILLED = {
    b"unfilled": "and nothing is left that could deliver more",
    b"late": "when its timeout had passed",
}


def _unfilled(
    code: bytes, count: int, field: str, job_id: str, definition: Definition
) -> dict[str, Any]:
    join = open_join(definition, job_id, field, count)
    message = (
        f"the join {join.routine_id}.{join.slot}{join.for_key} had {count} items, "
        f"{_UNFILLED[code]}; "
        'otherwise="fire" in its definition hands over what is there'
    )
    return {"type": "JoinNotFilled", "message": message, "routine_id": join.routine_id}


def _unanswered(number: int, field: str, definition: Definition) -> dict[str, Any]:
    place, _, key = field.partition("/")
    routine, _, slot = place.partition(".")
    spec = definition.routines[int(routine)]
    name = spec.slot_names[int(slot)]
    message = (
        f"no answer for {place_text(spec.id, name, key)} had come when the time for it was over; "
        "retry() gives it its whole time again, and expect(otherwise=...) goes on without one"
    )
    return {
        "type": "AnswerMissing", "message": message, "routine_id": spec.id, "slot": name,
        "invocation": number,
    }  # fmt: skip


def _undefined(invocation: str) -> dict[str, Any]:
    number = InvocationName.parse(invocation).number
    what = f"so invocation {number} cannot run"
    message = f"the definition of the job is gone from the server, {what}"
    return {"type": "CorruptRecordError", "message": message, "invocation": number}


def _quarantined(count: int, invocation: str, definition: Definition) -> dict[str, Any]:
    number, routine, *_ = InvocationName.parse(invocation)
    routine_id = definition.routines[routine].id
    message = (
        f"routine {routine_id!r} was quarantined: {count} workers were lost while they ran "
        f"invocation {number}. Look for a crash or an out-of-memory kill, mend it, then retry()"
    )
    return {
        "type": "Quarantined", "message": message, "routine_id": routine_id,
        "invocation": number,
    }  # fmt: skip
