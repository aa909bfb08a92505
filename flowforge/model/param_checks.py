"""Whether params fit the slot that they are sent to, as far as its class is known."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from flowforge.common.bounded_repr import shown
from flowforge.errors import ArgumentError, DefinitionError, EmissionError
from flowforge.model import registry
from flowforge.model.connection import Connection
from flowforge.model.definition import Definition, RoutineSpec
from flowforge.model.handler_params import HandlerParams
from flowforge.model.handlers.signature import Origin, Signature
from flowforge.model.invocation_id import InvocationName
from flowforge.model.names import did_you_mean, listing, some_of
from flowforge.model.routine import Routine
from flowforge.model.slot import CALL_SLOT, UNDO_SLOT_INDEX


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


def check_changed(
    definition: Definition,
    place: tuple[int, int],
    had: Collection[str] | None,
    given: Collection[str],
    params: dict[str, Any],
    where: str,
    *,
    told: HandlerParams | None = None,
    new_params: bool,
) -> None:
    """ArgumentError when the handler of a slot cannot be called with ``params``, or when one of the
    names that are ``given`` may be mistyped.

    ``place``: the indexes of routine and slot. ``had``: the names before; None: they are not known.
    ``told``: what workers say that the handler takes. A name is known when it is one of these, a
    parameter of the handler, a param that an event declares which leads to the slot, or a secret
    one. ``new_params``: others are meant as well, if the handler takes them. ``where``: what the
    params are of.

    What this process cannot know is not checked: the signature of a class that it has not imported,
    and what a slot makes of its params that merges or joins them.
    """
    signature = _signature(definition, *place)
    named = ".".join(definition.place_of(InvocationName(1, *place, 0)))
    if signature is not None:
        for name in given:
            if not signature.takes(name):
                raise ArgumentError(
                    f"{named} does not take the param {shown(name)}; it takes: "
                    f"{listing(signature.names)}{did_you_mean(name, signature.names)}"
                )
    if not new_params and (had is not None or (told is not None and not told.open)):
        names = [] if signature is None else [*signature.names]
        names += () if told is None else (one.name for one in told.params)
        names += _declared(definition, *place)
        _check_known(given, list(dict.fromkeys([*(had or ()), *names])), where)
    if signature is not None:
        signature.arguments(params, lambda: Origin(named, "it was given", "give it a value"))


def _check_known(given: Collection[str], known: Collection[str], where: str) -> None:
    for name in given:
        if name not in known:
            raise ArgumentError(
                f"{where}: there is no param {shown(name)}; known: {some_of(known)}"
                f"{did_you_mean(name, known) or '.'} To add it, give new_params=True"
            )


def check_entry(definition: Definition, place: tuple[int, int], params: dict[str, Any]) -> None:
    """ArgumentError for entry params that the handler cannot be called with, and for names that it
    does not take: they are mistyped, and jobs with them would most likely fail. ``place``: as
    ``check_changed`` takes it, which says what is not checked.
    """
    check_changed(definition, place, None, params, params, "entry params", new_params=True)


def check_emitted(
    routine: RoutineSpec, event: str, params: Collection[str], *, new_params: bool
) -> None:
    """EmissionError for a param that the event does not declare, if it declares any.

    ``new_params``: what is not declared is meant as well.
    """
    declared = _output_params(routine, event)
    if declared is None or new_params:
        return
    for name in params:
        if name not in declared:
            raise EmissionError(
                f"event {event!r} of routine {routine.id!r} does not declare the param "
                f"{shown(name)}; it declares: {listing(declared)}"
                f"{did_you_mean(name, declared) or '.'} To send it all the same, give "
                "new_params=True"
            )


def _declared(definition: Definition, routine: int, slot: int) -> list[str]:
    """What a slot is known to be sent, whoever the handler is."""
    spec, join = definition.routine(routine), definition.join(routine, slot)
    found = [*definition.secret(routine, slot), *(() if join is None else join.params)]
    # An undo is given params of what its slot was sent.
    target = (spec.id, spec.slot_names[slot if slot < UNDO_SLOT_INDEX else slot - UNDO_SLOT_INDEX])
    for one in definition.connections:
        if (one.target_routine_id, one.target_slot) == target:
            source = definition.routine(definition.index(one.source_routine_id))
            sent = _output_params(source, one.source_event)
            found += one.apply(dict.fromkeys(sent or ()))
    return found


def _output_params(routine: RoutineSpec, event: str) -> list[str] | None:
    raw = next(one for one in routine.raw["events"] if one["name"] == event)
    declared: list[str] | None = raw.get("output_params")
    return declared


def _signature(definition: Definition, routine: int, slot: int) -> Signature | None:
    spec = definition.routine(routine)
    cls = registry.known().get(spec.class_name)
    if cls is None:
        return None
    undoes = slot >= UNDO_SLOT_INDEX
    if not undoes and spec.slot_names[slot] == CALL_SLOT:
        return Signature.of(cls.__call__)
    raw = spec.raw["slots"][slot - UNDO_SLOT_INDEX if undoes else slot]
    merges = raw["merge_strategy"] != "override" or definition.join(routine, slot) is not None
    if merges and not undoes:
        return None
    handler = getattr(cls, raw["undo" if undoes else "handler"], None)
    return Signature.of(handler) if callable(handler) else None
