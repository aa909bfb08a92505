"""Whether params fit the slot that they are sent to, as far as its class is known."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from flowforge.errors import ArgumentError, DefinitionError
from flowforge.model import registry
from flowforge.model.connection import Connection
from flowforge.model.definition import RoutineSpec
from flowforge.model.names import listing
from flowforge.model.routine import Routine
from flowforge.model.signature import Origin, Signature
from flowforge.model.slot import CALL_SLOT


def check_params(source: Routine, connection: Connection, target: Routine) -> None:
    """DefinitionError when a join or a mapping names params that are not sent, or not taken."""
    _check_join(source, connection, target)
    _check_mapping(source, connection, target)


def _check_join(source: Routine, connection: Connection, target: Routine) -> None:
    """Refuse a join whose params the event, as far as it is declared, does not have."""
    slot, event = target.get_slot(connection.target_slot), source.get_event(connection.source_event)
    if slot is None or slot.join is None or event is None or event.output_params is None:
        return
    sent = connection.apply(dict.fromkeys(event.output_params))
    for name in slot.join.params:
        if name not in sent:
            raise DefinitionError(
                f"{connection}: the join of slot {slot.name!r} needs the param {name!r}; the event "
                f"sends: {listing(sent)}"
            )


def _check_mapping(source: Routine, connection: Connection, target: Routine) -> None:
    """Refuse renaming what the event, as far as it is declared, does not send, or nobody takes."""
    event, slot = source.get_event(connection.source_event), target.get_slot(connection.target_slot)
    if not connection.param_mapping or event is None or event.output_params is None:
        return
    for name in connection.param_mapping:
        if name not in event.output_params:
            raise DefinitionError(
                f"{connection}: param_mapping renames {name!r}, which event {event.name!r} does "
                f"not declare; it declares: {listing(event.output_params)}. Correct the name, or "
                "add it to the event's output_params"
            )
    # Joins hand over all of an item, and functions that merge may make new names of the old ones.
    if slot is None or slot.join is not None or callable(slot.merge_strategy):
        return
    signature = Signature.of(getattr(type(target), slot.handler_name))
    for name, renamed in connection.param_mapping.items():
        if not signature.takes(renamed):
            raise DefinitionError(
                f"{connection}: param_mapping sends {name!r} as {renamed!r}, which the handler "
                f"does not take; it takes: {listing(signature.names)}. Correct the name, or let "
                "the handler take **params"
            )


def check_handler_takes(
    spec: RoutineSpec, slot: int, params: dict[str, Any], named: Collection[str]
) -> None:
    """ArgumentError when the handler of a slot cannot be called with ``params``, or does not take
    one of those that are ``named``.

    What this process cannot know is not checked: a class that it has not imported, and what a
    slot makes of its params that merges them.
    """
    signature = _signature(spec, slot)
    if signature is None:
        return
    place = f"{spec.id}.{spec.slot_names[slot]}"
    signature.arguments(params, lambda: Origin(place, "the params hold", "give it a value"))
    for name in named:
        if not signature.takes(name):
            raise ArgumentError(
                f"{place} does not take the param {name!r}; it takes: {listing(signature.names)}"
            )


def _signature(spec: RoutineSpec, slot: int) -> Signature | None:
    cls = registry.known().get(spec.class_name)
    if cls is None:
        return None
    if spec.slot_names[slot] == CALL_SLOT:
        return Signature.of(cls.__call__)
    raw = spec.raw["slots"][slot]
    if raw["merge_strategy"] != "override":
        return None
    handler = getattr(cls, raw["handler"], None)
    return Signature.of(handler) if callable(handler) else None
