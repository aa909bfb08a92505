"""What an operator emits in a handler's place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowforge.codec.binary import encode_payload, invocation_record, output_record, traced_record
from flowforge.common.bounded_repr import shown
from flowforge.errors import EmissionError, InvalidValueError, PayloadError
from flowforge.execution.effects import Effects
from flowforge.execution.emitting import STAGED_BYTES, STAGED_EMISSIONS
from flowforge.model.definition import Definition
from flowforge.model.invocation_id import InvocationName
from flowforge.model.names import did_you_mean, listing
from flowforge.model.param_checks import check_emitted
from flowforge.model.plan import Plan
from flowforge.model.slot import UNDO_SLOT_INDEX


def operator_emissions(
    definition: Definition, named: InvocationName, emit: object, limit: int, trace: bytes = b"",
    new_params: bool = False,
) -> tuple[Effects, dict[str, int]]:  # fmt: skip
    """What the emissions lead to, and how many there are of each event.

    ``trace``: the packed context that the skipped invocation carries, which they go on with.

    EmissionError for an event that the routine does not have, without ``new_params`` for params
    that the event does not declare, and for more than one commit takes; PayloadError for params
    that cannot travel.
    """
    plan, routine = Plan(definition), definition.routine(named.routine)
    effects, emitted, size = Effects(), dict[str, int](), 0
    if emit and named.slot >= UNDO_SLOT_INDEX:
        raise EmissionError("an undo emits nothing, so a skip in its place cannot emit either")
    for event, params in _checked(emit):
        if event not in routine.event_names:
            raise EmissionError(
                f"routine {routine.id!r} has no event {event!r}; it has: "
                f"{listing(routine.event_names)}{did_you_mean(event, routine.event_names)}"
            )
        check_emitted(routine, event, params, new_params=new_params)
        where = f"skip of {routine.id}: emission {event!r}"
        targets = plan.targets(routine.id, event)
        for target in targets:
            mapped = target.connection.apply(params)
            payload = encode_payload(mapped, limit, where)
            record = traced_record(invocation_record(named.number, payload), trace)
            mode = target.mode(mapped, where)
            effects.emitted.append((target.routine_index, target.slot_index, mode, record))
            size += len(record)
        if not targets:
            payload = encode_payload(params, limit, where)
            effects.outputs.append(output_record(named.number, routine.id, event, payload))
            size += len(payload)
        emitted[event] = emitted.get(event, 0) + 1
    many = len(effects.emitted) + len(effects.outputs) > STAGED_EMISSIONS
    if many or (size > STAGED_BYTES and sum(emitted.values()) > 1):
        raise EmissionError(
            f"skip takes emissions for at most {STAGED_EMISSIONS} slots and outputs, of "
            f"{STAGED_BYTES} bytes together"
        )
    return effects, emitted


def _checked(emit: object) -> Sequence[tuple[str, dict[str, Any]]]:
    if not isinstance(emit, (list, tuple)):
        raise InvalidValueError(
            f"emit must be a list such as [('charged', {{'amount': 20}})], not {shown(emit)}"
        )
    for item in emit:
        if not isinstance(item, (list, tuple)) or len(item) != 2 or not isinstance(item[0], str):
            raise InvalidValueError(f"an emission is an event and its params, not {shown(item)}")
        params = item[1]
        if not isinstance(params, dict) or not all(isinstance(name, str) for name in params):
            raise PayloadError(
                f"the params of emission {item[0]!r} must be a dict with text keys, not "
                f"{shown(params)}"
            )
    return emit
