"""The end of an attempt whose time is over, decided without the process that runs it.

The definition says all that is needed: a worker that knows none of the classes can decide.
"""

from __future__ import annotations

from flowforge.codec.binary import masked_record, pack_record
from flowforge.execution.effects import Effects
from flowforge.execution.run import HISTORY_PARAMS, KINDS, Outcome
from flowforge.model.compensation import undo_handler
from flowforge.model.definition import Definition
from flowforge.model.error_handler import deciding_handler
from flowforge.model.invocation_id import InvocationName
from flowforge.model.jobs.error_group import ErrorSample, group_id
from flowforge.model.jobs.status import COMMITTED


def timed_out(
    definition: Definition, named: InvocationName, attempt: int, record: bytes, ran_ms: int,
    worker: str,
) -> Outcome:  # fmt: skip
    """What the error handler that applies makes of the TimeoutError of an attempt.

    ``record``: of the invocation; ``ran_ms``: milliseconds since the claim; ``worker``: the name of
    the one that runs it, as the history shows it.
    """
    spec = definition.routine(named.routine)
    routine_id, slot = definition.place_of(named)
    seconds = definition.timeout_ms(named.routine, named.slot) / 1000
    message = f"the attempt was ended after {ran_ms / 1000:.1f} s: its timeout is {seconds:g} s"
    error = TimeoutError(message)
    handler = deciding_handler(spec.raw["error_handler"] or definition.error_handler)
    if definition.is_compensation(named):
        handler = undo_handler(handler)
    decision = handler.decide(error, attempt)
    kind = KINDS[decision.action]
    name = TimeoutError.__name__
    details = pack_record(
        worker, attempt, ran_ms * 1000, {}, _shown(definition, named, record),
        [name, message, "", ""],
    )  # fmt: skip
    problem = {
        "type": name, "message": message, "traceback": "", "at": "", "routine_id": routine_id,
        "slot": slot, "invocation": named.number, "attempt": attempt,
    }  # fmt: skip
    effects = Effects()
    if record[:1] == b"J" and kind in COMMITTED:
        # The items of a join go with its invocation.
        effects.resets.append(("", int(record[1:].partition(b" ")[0])))
    group = group_id(definition.flow_id, routine_id, name, "")
    return Outcome(
        kind,
        ran_ms * 1000,
        details,
        effects,
        delay=decision.delay,
        reason=f"{routine_id}.{slot}: {name}: {message}"[:500],
        problem=pack_record(problem),
        error=error,
        sample=ErrorSample(group, routine_id, name, "", message),
    )


def _shown(definition: Definition, named: InvocationName, record: bytes) -> bytes | None:
    """What the history shows of the params."""
    if record[:1] == b"J" or len(record) > HISTORY_PARAMS:
        return None
    return visible_record(definition, named, record)


def visible_record(definition: Definition, named: InvocationName, record: bytes) -> bytes:
    """The record of params without those that the slot marks as secret."""
    secret = definition.secret(named.routine, named.slot)
    return masked_record(record, secret, f"invocation {named.number}")
