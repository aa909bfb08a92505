"""The graph that a user defines: routines under ids, and the connections between them."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any, Self

from flowforge.common.bounded_repr import shown
from flowforge.errors import DefinitionError
from flowforge.model.connection import Connection, Ends
from flowforge.model.definition import Definition, RoutineSpec
from flowforge.model.error_handler import ErrorHandler, check_error_handler
from flowforge.model.limit import LimitArgument, LimitUse, check_apart, named_limits, resolved
from flowforge.model.names import check_name, check_whole, listing, snake_case
from flowforge.model.param_checks import check_params
from flowforge.model.rebuildable import check_rebuildable
from flowforge.model.records import Record
from flowforge.model.routine import Routine, fresh, overrides_call
from flowforge.model.slot import CALL_SLOT
from flowforge.model.subflow import SEPARATOR, SubFlow
from flowforge.model.times.start import Delay, delay_ms, timeout_ms
from flowforge.settings import MOST

#: The slot that starts a job when a routine has several.
TRIGGER = "trigger"

#: Times of one flow from which its jobs are late. ``lua/include/deadlines.lua`` has it as well.
MOST_LATE = 8


class FlowGraph:
    """A flow's definition while it is being written. Every refusal is a ValueError.

    A flow may change after a job has started: the job keeps the definition that it started with.
    """

    def __init__(
        self,
        flow_id: str | None = None,
        *,
        max_in_flight: int | None = None,
        keep_inputs: bool = False,
        limit: LimitArgument | None = None,
    ) -> None:
        self.flow_id = (
            f"flow-{uuid.uuid4().hex[:12]}" if flow_id is None else check_name("flow_id", flow_id)
        )
        self.max_in_flight = (
            None if max_in_flight is None else check_whole("max_in_flight", max_in_flight, 1, MOST)
        )
        if not isinstance(keep_inputs, bool):
            raise DefinitionError(f"keep_inputs must be True or False, not {shown(keep_inputs)}")
        self.keep_inputs = keep_inputs
        self._limits = named_limits(f"flow {self.flow_id!r}", limit)
        #: Counts this object's changes, so that a definition is made again only after one.
        self.version = 0
        self._routines: dict[str, Routine] = {}
        self._built: dict[str, Routine] = {}
        self._queues: dict[str, str] = {}
        #: Policies that routines have from the sub-flow they came with.
        self._handlers: dict[str, ErrorHandler] = {}
        self._subflows: dict[str, SubFlow] = {}
        #: The flows that were added, to tell one that would contain itself.
        self._added: list[FlowGraph] = []
        self._connections: dict[Ends, Connection] = {}
        #: Stem of generated ids -> the latest number: what is below it is taken.
        self._numbers: dict[str, int] = {}
        self._error_handler: ErrorHandler | None = None
        #: Event -> milliseconds from the start of a job.
        self._late: dict[str, int] = {}
        # The state that the definitions below were made of, and one for each set of queues.
        self._defined_from: object = None
        self._defined: dict[tuple[tuple[str, str | None], ...], Definition] = {}

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a pickle starts from: containers of its own, nothing that can be made."""
        state = {
            name: value.copy() if isinstance(value, (dict, list)) else value
            for name, value in vars(self).items()
        }
        return {**state, "_defined_from": None, "_defined": {}}

    def add_routine(
        self,
        routine: Routine | type[Routine],
        routine_id: str | None = None,
        *,
        queue: str | None = None,
    ) -> str:
        """Add a routine (or a class, which is built without arguments) and return its id.

        ``routine_id``: by default the class name in snake case, with ``_2``, ``_3`` and so on when
        that is taken. ``queue`` overrides the routine's own in this flow. The same object may be
        added under several ids. NotRebuildableError says why another process could not rebuild the
        routine, and what to do.
        """
        instance: object = fresh(routine) if isinstance(routine, type) else routine
        if not isinstance(instance, Routine):
            hint = ": decorate it with @routine" if inspect.isfunction(instance) else ""
            raise DefinitionError(f"a Routine is needed, not {shown(routine)}{hint}")
        if routine_id is not None:
            self._check_new(check_name("routine_id", routine_id))
        if queue is not None:
            check_name("queue", queue)
        built = check_rebuildable(instance)
        new_id = routine_id or self._generated_id(instance)
        self._insert(new_id, instance, built, queue)
        return new_id

    def _check_new(self, routine_id: str) -> None:
        if routine_id in self._routines or routine_id in self._subflows:
            raise DefinitionError(f"flow {self.flow_id!r} already has a routine {routine_id!r}")

    def _insert(self, new_id: str, routine: Routine, built: Routine, queue: str | None) -> None:
        self._routines[new_id] = routine
        self._built[new_id] = built
        if queue is not None:
            self._queues[new_id] = queue
        self.version += 1

    def _generated_id(self, routine: Routine) -> str:
        # Stable: the same code adds the same routines in the same order in every process.
        stem = snake_case(type(routine).__name__)[:100]
        numbers = count(self._numbers.get(stem, 1))
        number = next(n for n in numbers if _numbered(stem, n) not in self._routines)
        self._numbers[stem] = number
        return _numbered(stem, number)

    def add_flow(self, other: FlowGraph, flow_id: str, *, entry: str | None = None) -> str:
        """Add another flow as a routine and return its id.

        ``entry``: the routine of ``other`` that deliveries go to, by default the only one that no
        other feeds; its slot is the sub-flow's only slot. Events that nobody takes inside are the
        sub-flow's events. Its routines get the ids ``<flow_id>/<routine id>``, keep their own error
        handlers, and else that of ``other``. What is added is a copy: later changes of ``other``
        stay outside.

        ValueError when the flow would contain itself, the id is taken, or the entry is unclear.
        """
        if not isinstance(other, FlowGraph):
            raise DefinitionError(f"add_flow needs a Flow, not {shown(other)}")
        if other._contains(self):
            raise DefinitionError(f"flow {self.flow_id!r} cannot contain itself")
        self._check_new(check_name("flow_id", flow_id))
        entry = other.sole_entry() if entry is None else entry
        slot = other.entry_slot(entry)
        if slot == CALL_SLOT:
            raise DefinitionError(f"entry {entry!r} is entered by __call__: name a slot instead")
        inside = f"{flow_id}{SEPARATOR}"
        for routine_id, routine in other._routines.items():
            self._insert(
                inside + routine_id,
                routine,
                other._built[routine_id],
                other._queues.get(routine_id),
            )
            handler = other._handlers.get(routine_id) or other._error_handler
            if handler is not None:
                self._handlers[inside + routine_id] = handler
        self._link(connection.inside(inside) for connection in other.connections)
        taken = {(c.source_routine_id, c.source_event) for c in other.connections}
        outputs = tuple(
            (inside + routine_id, event)
            for routine_id, routine in other._routines.items()
            for event in routine.events
            if (routine_id, event) not in taken
        )
        entry_id = other._subflows[entry].entry_routine_id if entry in other._subflows else entry
        self._added.append(other)
        self._subflows[flow_id] = SubFlow(flow_id, inside + entry_id, slot, outputs)
        self.version += 1
        return flow_id

    def _contains(self, flow: FlowGraph) -> bool:
        return flow is self or any(inner._contains(flow) for inner in self._added)

    def sole_entry(self) -> str:
        """The only routine that no other feeds; DefinitionError when there is not just one."""
        fed = {
            c.target_routine_id
            for c in self.connections
            if c.source_routine_id != c.target_routine_id
        }
        heads = [routine_id for routine_id in self._routines if routine_id not in fed]
        if len(heads) != 1:
            which = f"{len(heads)} routines ({listing(heads)})" if heads else "no routine"
            raise DefinitionError(
                f"flow {self.flow_id!r} has {which} that nothing feeds: choose the entry from "
                f"{listing(self._routines)}"
            )
        return heads[0]

    def connect(
        self,
        source_routine_id: str,
        source_event: str,
        target_routine_id: str,
        target_slot: str,
        param_mapping: Mapping[str, str] | None = None,
        *,
        delay: Delay | None = None,
        limit: LimitArgument | None = None,
    ) -> Connection:
        """Send an event's params to a slot; cycles and self-connections are allowed.

        ``delay``: seconds or a timedelta after which they are delivered, counted as by
        ``Routine.emit_later``; both add up. ``limit``: a :class:`Limit` or its name, or several, at
        which these deliveries count beside those of the slot; what ``per`` names is a param as it
        arrives.
        ``param_mapping`` renames: {event param: slot param}. ValueError names what is unknown,
        and refuses a second connection of the same two ends. Of an event that declares its
        ``output_params``, no others can be renamed, and none to a name that the handler drops.
        """
        if source_routine_id in self._subflows:
            source_routine_id, source_event = self._subflows[source_routine_id].source(source_event)
        if target_routine_id in self._subflows:
            target_routine_id, target_slot = self._subflows[target_routine_id].target(target_slot)
        source = self._known(source_routine_id, "source_routine_id")
        target = self._known(target_routine_id, "target_routine_id")
        if source_event not in source.events:
            raise DefinitionError(
                f"routine {source_routine_id!r} has no event {shown(source_event)}; it has: "
                f"{listing(source.events)}"
            )
        if target_slot not in target.slots:
            raise DefinitionError(
                f"routine {target_routine_id!r} has no slot {shown(target_slot)}; it has: "
                f"{listing(target.slots)}"
            )
        connection = Connection(
            source_routine_id, source_event, target_routine_id, target_slot, param_mapping or {},
            0 if delay is None else delay_ms("delay", delay),
            resolved(named_limits("connect", limit), "connect"),
        )  # fmt: skip
        check_params(source, connection, target)
        if connection.ends in self._connections:
            raise DefinitionError(f"{connection} is connected already")
        self._link([connection])
        self.version += 1
        return connection

    def _link(self, connections: Iterable[Connection]) -> None:
        self._connections.update((connection.ends, connection) for connection in connections)

    def _known(self, routine_id: str, what: str) -> Routine:
        routine = self._routines.get(routine_id)
        if routine is None:
            raise DefinitionError(
                f"{what}: flow {self.flow_id!r} has no routine {shown(routine_id)}; it has: "
                f"{listing(self._routines)}"
            )
        return routine

    def set_error_handler(self, error_handler: ErrorHandler | None) -> None:
        """Set the policy of every routine that has none of its own; None: STOP."""
        self._error_handler = check_error_handler(error_handler)
        self.version += 1

    def get_error_handler(self) -> ErrorHandler | None:
        """Return the policy of routines without their own; None: STOP."""
        return self._error_handler

    def on_late(self, after: Delay, event: str = "late") -> None:
        """Tell of jobs that have not ended ``after`` seconds (or a timedelta) from their start.

        Counted from the submission, or from when a job that is put off is to start; also while it
        is paused. Nothing ends by it: the history has an entry ``late``, hooks for ``job.late`` and
        the metrics hear of it. ``event``: what it is called there; each name once, at most 8.
        """
        if check_name("event of on_late", event) in self._late:
            raise DefinitionError(f"flow {self.flow_id!r} is late already with {event!r}")
        if len(self._late) >= MOST_LATE:
            raise DefinitionError(f"a flow has at most {MOST_LATE} times from which it is late")
        if not (ms := timeout_ms("after", after)):
            raise DefinitionError("after must be seconds or a timedelta, not None")
        self._late[event] = ms
        self.version += 1

    @property
    def routines(self) -> dict[str, Routine]:
        """All routines by id, in order of addition; a copy."""
        return dict(self._routines)

    def entry_routine(self, routine_id: str) -> str:
        """Return the routine that an entry stands for: itself, or that of a sub-flow."""
        subflow = self._subflows.get(routine_id)
        return routine_id if subflow is None else subflow.entry_routine_id

    @property
    def connections(self) -> tuple[Connection, ...]:
        """All connections, in order of addition."""
        return tuple(self._connections.values())

    def entry_slot(self, routine_id: str) -> str:
        """Return where a job starts that enters at this routine.

        Its own ``__call__``, else its slot ``trigger``, else its only slot; else ValueError.
        """
        if routine_id in self._subflows:
            return self._subflows[routine_id].entry_slot
        routine = self._known(routine_id, "entry_routine_id")
        slots = routine.slots
        if overrides_call(type(routine)):
            return CALL_SLOT
        if TRIGGER in slots:
            return TRIGGER
        if len(slots) == 1:
            return next(iter(slots))
        raise DefinitionError(
            f"routine {shown(routine_id)} cannot start a job: it has the slots {listing(slots)}. "
            f"Override __call__, name one slot {TRIGGER!r}, or have only one"
        )

    def definition(self, queues: Mapping[str, str | None] | None = None) -> Definition:
        """Return this flow as data; the same object for the same queues until something changes.

        ``queues`` ({routine id: queue}) wins over ``add_routine(queue=)``, and that over the
        routine's own; None there says nothing.
        """
        revisions = tuple((routine._revision, routine.queue) for routine in self._routines.values())
        state = (self.version, self.flow_id, self.max_in_flight, self.keep_inputs, revisions)
        if state != self._defined_from:
            self._defined = {}
            self._defined_from = state
        asked = tuple(sorted(queues.items())) if queues else ()
        definition = self._defined.get(asked)
        if definition is None:
            definition = self._defined[asked] = self._define(queues or {})
        return definition

    def _define(self, queues: Mapping[str, str | None]) -> Definition:
        handler = self._error_handler
        return Definition(
            self.flow_id,
            tuple(self._spec(routine_id, queues) for routine_id in self._routines),
            self.connections,
            None if handler is None else handler.serialize(),
            self.max_in_flight,
            self.keep_inputs,
            tuple((ms, event) for event, ms in self._late.items()),
            self._limits_of_job(),
        )

    def _limits_of_job(self) -> tuple[LimitUse, ...]:
        if not self._limits:
            return ()
        found = resolved(self._limits, f"flow {self.flow_id!r}")
        for routine_id, routine in self._routines.items():
            for name, slot in routine.slots.items():
                check_apart(self.flow_id, found, f"{routine_id}.{name}", slot.limits)
        for connection in self.connections:
            check_apart(self.flow_id, found, str(connection), connection.limits)
        return found

    def _spec(self, routine_id: str, queues: Mapping[str, str | None]) -> RoutineSpec:
        routine = self._routines[routine_id]
        # Again, since attributes may have been set after the routine was added.
        check_rebuildable(routine, self._built[routine_id])
        raw = routine.serialize()
        if raw["error_handler"] is None and routine_id in self._handlers:
            raw = {**raw, "error_handler": self._handlers[routine_id].serialize()}
        queue = queues.get(routine_id) or self._queues.get(routine_id) or routine.queue
        return RoutineSpec(routine_id, raw["class"], queue, raw)

    def serialize(self) -> Record:
        """Return a JSON object; ``deserialize`` in any process that has imported the classes."""
        return self.definition().serialize()

    @classmethod
    def deserialize(cls, data: Record) -> Self:
        """Rebuild. CorruptRecordError, NewerRecordError or UnknownRoutineClassError otherwise."""
        definition = Definition.deserialize(data)
        flow = cls(
            definition.flow_id,
            max_in_flight=definition.max_in_flight,
            keep_inputs=definition.keep_inputs,
            limit=definition.limits_of_job,
        )
        for spec in definition.routines:
            routine = Routine.deserialize(spec.raw)
            flow._insert(spec.id, routine, fresh(type(routine)), spec.queue)
        flow._link(definition.connections)
        flow._late = {event: ms for ms, event in definition.late}
        if definition.error_handler is not None:
            flow._error_handler = ErrorHandler.deserialize(definition.error_handler)
        flow.version += 1
        return flow


def _numbered(stem: str, number: int) -> str:
    return stem if number == 1 else f"{stem}_{number}"
