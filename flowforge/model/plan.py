"""A definition made ready to run: what a worker process keeps for each definition that it meets."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flowforge.model import registry
from flowforge.model.connection import Connection
from flowforge.model.definition import Definition, RoutineSpec, SlotMode
from flowforge.model.delivery_limits import keyed_limits
from flowforge.model.error_handler import ErrorHandler
from flowforge.model.handlers.handlers import check_handler_exists
from flowforge.model.handlers.signature import Signature
from flowforge.model.join import Join
from flowforge.model.limit import LimitUse, limited_mode
from flowforge.model.routine import Routine
from flowforge.model.running import Running
from flowforge.model.slot import (
    CALL_SLOT,
    CHILD_SLOT,
    CHILD_SLOT_INDEX,
    UNDO_SLOT_INDEX,
    Slot,
)
from flowforge.model.times.start import Start


@dataclass(frozen=True, slots=True)
class Target:
    """A slot that deliveries go to. Known from the definition alone, without the class."""

    routine_index: int
    slot_index: int
    connection: Connection
    #: Deliveries fold into the slot's data (``append`` or a function).
    merges: bool
    #: The latest delivery is kept, since other handlers of the routine may ask for it.
    remembers: bool
    #: How the slot collects its deliveries; None: each is handled on its own.
    join: Join | None = None
    secret: frozenset[str] = frozenset()
    #: Index of the routine that emits, and milliseconds until its deliveries are made.
    source_index: int = 0
    delay_ms: int = 0
    #: Limits whose keys its deliveries have with them, in the order in which places are taken.
    limits: tuple[LimitUse, ...] = ()

    def mode(self, params: dict[str, Any], where: str, later_ms: int = 0) -> str:
        """How the store keeps a delivery: ``m`` merges, ``o`` remembers, ``j…`` joins; before
        it the keys of limits.

        ``later_ms``: how long it is put off, beyond the delay of the connection.
        """
        if self.join is not None:
            mode = self.join.mode(params, where, self.secret)
        else:
            mode = "m" if self.merges else "o" if self.remembers else ""
        if self.limits:
            mode = limited_mode(self.limits, mode, params, where, self.secret)
        ms = later_ms + self.delay_ms
        return Start("+", ms).mode(mode, self.source_index) if ms else mode


@dataclass(frozen=True, slots=True)
class PlannedUndo:
    """What undoes an invocation of a slot."""

    #: Index of the compensation's own slot.
    index: int
    #: Name of the method, and what it takes.
    call: str
    signature: Signature


@dataclass(frozen=True, slots=True)
class PlannedSlot:
    """A slot with everything that calling its handler needs."""

    name: str
    index: int
    #: Name of the method to call on the bound routine.
    call: str
    signature: Signature
    merges: bool
    #: None for ``__call__``.
    slot: Slot | None
    secret: frozenset[str]
    #: What feeds it, as "fetch.output -> charge.input", for error messages.
    sources: tuple[str, ...]
    #: Whether the params of its deliveries are kept after their end.
    keeps: bool = False
    #: Milliseconds that an attempt may take; 0: as long as it wants.
    timeout_ms: int = 0
    #: What the store keeps of its deliveries, unless it joins.
    kept_as: SlotMode = ""

    def mode_of(self, params: dict[str, Any], where: str) -> str:
        """As ``Target.mode``, of a delivery that no connection carries."""
        join = None if self.slot is None else self.slot.join
        return self.kept_as if join is None else join.mode(params, where, self.secret)

    #: None: an invocation of it is never undone.
    undo: PlannedUndo | None = None

    @property
    def undoes(self) -> bool:
        """Whether it is the undo of a slot."""
        return UNDO_SLOT_INDEX <= self.index < CHILD_SLOT_INDEX


class SetUp:
    """Runs a routine's ``setup()`` with the first call that succeeds, and never again.

    A call says whether it ran, or waited for, a ``setup()``.
    """

    __slots__ = ("_done", "_lock", "_setup")

    def __init__(self, setup: Callable[[], object]) -> None:
        self._setup = setup
        self._lock = threading.Lock()
        self._done = False

    def __call__(self) -> bool:
        if self._done:
            return False
        with self._lock:
            if not self._done:
                self._setup()
                self._done = True
        return True


@dataclass(frozen=True, slots=True)
class PlannedRoutine:
    """A routine, built; once ``set_up`` has run, ``bound_to`` makes copies for attempts."""

    id: str
    index: int
    flow_id: str
    class_name: str
    prototype: Routine
    set_up: SetUp
    slots: tuple[PlannedSlot, ...]
    #: The routine's policy, else the flow's, else STOP.
    error_handler: ErrorHandler
    #: For every declared event, where its params go; empty when nobody is connected.
    targets: dict[str, tuple[Target, ...]]


#: Where a routine hears of the end of a job that it has started.
CHILD_ENDED = PlannedSlot(
    CHILD_SLOT,
    CHILD_SLOT_INDEX,
    "_child_ended",
    Signature.of(Running._child_ended),
    False,
    None,
    frozenset(),
    (),
)


class Plan:
    """Builds each routine when it is first needed, so that an unknown class spoils only itself."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        count = len(definition.routines)
        self._built: list[PlannedRoutine | None] = [None] * count
        # One lock a routine: a slow setup() must not hold up the others.
        self._locks = [threading.Lock() for _ in range(count)]

    def routine(self, index: int) -> PlannedRoutine:
        """Return the routine; the first call builds it, and one after its class was redefined.

        Raises UnknownRoutineClassError for a class that is not imported; nothing is kept then, so
        that the next call tries again. CorruptRecordError when there is no such routine.
        """
        # A negative index would count from the end.
        built = self._built[index] if 0 <= index < len(self._built) else None
        if built is not None and registry.is_latest(built.class_name, type(built.prototype)):
            return built
        spec = self.definition.routine(index)
        with self._locks[index]:
            built = self._built[index]
            if built is None or not registry.is_latest(built.class_name, type(built.prototype)):
                built = self._built[index] = self._build(index, spec)
            return built

    def _target(self, connection: Connection) -> Target:
        definition = self.definition
        index = definition.index(connection.target_routine_id)
        slot_index = definition.slot_names(index).index(connection.target_slot)
        mode = definition.mode(index, slot_index)
        join = definition.join(index, slot_index)
        secret = definition.secret(index, slot_index)
        return Target(
            index, slot_index, connection, mode == "m", mode == "o", join, secret,
            definition.index(connection.source_routine_id), connection.delay_ms,
            keyed_limits(definition, index, slot_index, connection.limits),
        )  # fmt: skip

    def targets(self, routine_id: str, event: str) -> tuple[Target, ...]:
        """Where the params of an event go. Needs no class."""
        return self._targets.get((routine_id, event), ())

    @cached_property
    def _targets(self) -> dict[tuple[str, str], tuple[Target, ...]]:
        """Targets by source routine and event, in order of connection."""
        found: dict[tuple[str, str], list[Target]] = defaultdict(list)
        for connection in self.definition.connections:
            source = (connection.source_routine_id, connection.source_event)
            found[source].append(self._target(connection))
        return {source: tuple(targets) for source, targets in found.items()}

    @cached_property
    def _sources(self) -> dict[tuple[str, str], list[str]]:
        """What feeds each slot, by routine and slot, in order of connection."""
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for connection in self.definition.connections:
            target = (connection.target_routine_id, connection.target_slot)
            found[target].append(str(connection))
        return found

    @cached_property
    def _error_handler(self) -> ErrorHandler:
        raw = self.definition.error_handler
        return ErrorHandler() if raw is None else ErrorHandler.deserialize(raw)

    def _build(self, index: int, spec: RoutineSpec) -> PlannedRoutine:
        prototype = Routine.deserialize(spec.raw)
        return PlannedRoutine(
            spec.id,
            index,
            self.definition.flow_id,
            spec.class_name,
            prototype,
            SetUp(prototype.setup),
            tuple(self._slot(index, spec, prototype, i) for i in range(len(spec.slot_names))),
            prototype.get_error_handler() or self._error_handler,
            {name: self.targets(spec.id, name) for name in spec.event_names},
        )

    def _slot(self, routine: int, spec: RoutineSpec, prototype: Routine, index: int) -> PlannedSlot:
        name = spec.slot_names[index]
        slot = None if name == CALL_SLOT else prototype.get_slot(name)
        call = CALL_SLOT if slot is None else slot.handler_name
        check_handler_exists(type(prototype), name, call)
        sources = tuple(self._sources.get((spec.id, name), ()))
        return PlannedSlot(
            name,
            index,
            call,
            Signature.of(getattr(type(prototype), call)),
            slot is not None and slot.merges,
            slot,
            frozenset() if slot is None else slot.secret,
            sources,
            self.definition.keep_inputs and (slot is None or slot.join is None),
            0 if slot is None else slot.timeout_ms,
            self.definition.mode(routine, index),
            None if slot is None else _undo(prototype, slot, index),
        )


def _undo(prototype: Routine, slot: Slot, index: int) -> PlannedUndo | None:
    name = slot.undo_name
    if name is None:
        return None
    signature = Signature.of(getattr(type(prototype), name))
    return PlannedUndo(UNDO_SLOT_INDEX + index, name, signature)
