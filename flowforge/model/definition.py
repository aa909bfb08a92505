"""A flow as data: what is stored under its hash, and what a running job pins."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

from flowforge.common.bounded_repr import shown
from flowforge.errors import CorruptRecordError, DefinitionError, NewerRecordError
from flowforge.model.connection import Connection
from flowforge.model.invocation_id import InvocationName
from flowforge.model.join import Join
from flowforge.model.limit import LimitUse, read_uses
from flowforge.model.names import listing
from flowforge.model.records import Record, check_unique, read, read_list, read_optional
from flowforge.model.slot import (
    CALL_SLOT,
    CHILD_SLOT,
    CHILD_SLOT_INDEX,
    UNDO_SLOT,
    UNDO_SLOT_INDEX,
)

#: Latest version of the record. A process refuses newer ones instead of misreading them. It is that
#: of a flow with limits of its own: releases before it would run jobs without them.
DEFINITION_VERSION = 4

#: Version of the record of a flow with timeouts, limits of slots or connections, undoes, or times
#: from which its jobs are late, which releases before it would not keep.
TIMED_VERSION = 3

#: Version of the record of a flow with delays on connections, which releases before it would
#: deliver at once.
DELAYED_VERSION = 2

#: Version of the record of any other flow, which every release reads.
PLAIN_VERSION = 1

#: What the store keeps of a slot's deliveries: "m", all, since they merge; "o", the latest, since
#: other handlers of the routine may ask for it; "", nothing.
SlotMode: TypeAlias = Literal["m", "o", ""]


@dataclass(frozen=True)
class RoutineSpec:
    """One routine of a flow. Needs no class: dashboards and producers read definitions too."""

    id: str
    class_name: str
    #: Celery queue; None: what ``task_routes`` says.
    queue: str | None
    #: What ``Routine.serialize`` gave.
    raw: Record

    @cached_property
    def slot_names(self) -> tuple[str, ...]:
        """What slot indexes count: the slots as defined, then ``__call__`` if there is one."""
        names = tuple(slot["name"] for slot in self.raw["slots"])
        return (*names, CALL_SLOT) if self.raw["call"] else names

    @cached_property
    def event_names(self) -> tuple[str, ...]:
        return tuple(event["name"] for event in self.raw["events"])

    def serialize(self) -> Record:
        return {"id": self.id, "queue": self.queue, "routine": self.raw}

    @classmethod
    def deserialize(cls, data: Record) -> RoutineSpec:
        routine_id = read(data, "id", str, "a routine of the definition")
        where = f"routine {routine_id!r}"
        raw: Record = read(data, "routine", dict, where)
        read(raw, "call", bool, where)
        for part in ("slots", "events"):
            names = [read(item, "name", str, where) for item in read_list(raw, part, dict, where)]
            check_unique(names, part, where)
        class_name = read(raw, "class", str, where)
        return cls(routine_id, class_name, read_optional(data, "queue", str, where), raw)


@dataclass(frozen=True)
class Definition:
    """Immutable; equal definitions have equal hashes in every process.

    The index of a routine is its position in ``routines``; that of a slot its position in
    ``slot_names``. Both are the same for everyone who has the hash.
    """

    flow_id: str
    routines: tuple[RoutineSpec, ...]
    connections: tuple[Connection, ...] = ()
    #: The flow's policy as ``ErrorHandler.serialize`` gave it: reading it needs no classes.
    error_handler: Record | None = None
    max_in_flight: int | None = None
    #: Whether the params of its invocations are kept after their end.
    keep_inputs: bool = False
    #: From when its jobs are late: milliseconds from their start, and what that is called.
    late: tuple[tuple[int, str], ...] = ()
    #: At which a job counts as a whole, by its entry params.
    limits_of_job: tuple[LimitUse, ...] = ()

    def __hash__(self) -> int:
        return hash(self.hash)

    def _version(self) -> int:
        if self.limits_of_job:
            return DEFINITION_VERSION
        if self.late or self.has_undo or self._has_timeouts() or self.has_step_limits:
            return TIMED_VERSION
        if any(connection.delay_ms for connection in self.connections):
            return DELAYED_VERSION
        return PLAIN_VERSION

    def _has_timeouts(self) -> bool:
        return any(slot.get("timeout_ms") for spec in self.routines for slot in spec.raw["slots"])

    @property
    def has_limits(self) -> bool:
        """Whether the flow, a slot or a connection has a limit."""
        return bool(self.limits_of_job) or self.has_step_limits

    @cached_property
    def has_step_limits(self) -> bool:
        """Whether a slot or a connection has a limit."""
        return any(one.limits for one in self.connections) or any(
            "limits" in slot for spec in self.routines for slot in spec.raw["slots"]
        )

    def serialize(self) -> Record:
        return {
            "version": self._version(),
            "flow_id": self.flow_id,
            "routines": [spec.serialize() for spec in self.routines],
            "connections": [connection.serialize() for connection in self.connections],
            "error_handler": self.error_handler,
            "max_in_flight": self.max_in_flight,
            # Left out where it says nothing, so that a flow without it keeps its hash.
            **({"keep_inputs": True} if self.keep_inputs else {}),
            **({"late": [list(one) for one in self.late]} if self.late else {}),
            **({"limits": [list(one) for one in self.limits_of_job]} if self.limits_of_job else {}),
        }

    def to_json(self) -> str:
        """Return the canonical text: ASCII, no blanks, keys sorted but for those of config, whose
        order is the user's.
        """
        return self._json

    @cached_property
    def _json(self) -> str:
        record = _sorted_keys(self.serialize())
        return json.dumps(record, separators=(",", ":"), allow_nan=False)

    @cached_property
    def hash(self) -> str:
        """The first 32 hexadecimal digits of the SHA-256 of the canonical text."""
        return _hash_of(self._json.encode())

    @cached_property
    def _indexes(self) -> dict[str, int]:
        return {spec.id: i for i, spec in enumerate(self.routines)}

    def index(self, routine_id: str) -> int:
        """Return the routine's index; ValueError for an unknown id."""
        index = self._indexes.get(routine_id)
        if index is None:
            raise DefinitionError(
                f"flow {self.flow_id!r} has no routine {routine_id!r}; it has: "
                f"{listing(self._indexes)}"
            )
        return index

    def routine(self, index: int) -> RoutineSpec:
        """Return a routine by an index that was stored; CorruptRecordError when there is none."""
        # A negative index would count from the end.
        if not 0 <= index < len(self.routines):
            raise CorruptRecordError(
                f"flow {self.flow_id!r} has {len(self.routines)} routines, none of index {index}"
            )
        return self.routines[index]

    def place_of(self, invocation: InvocationName) -> tuple[str, str]:
        """Return the routine's id and the slot's name; CorruptRecordError when there are none."""
        spec = self.routine(invocation.routine)
        if invocation.slot == CHILD_SLOT_INDEX:
            return spec.id, CHILD_SLOT
        if self.is_compensation(invocation):
            return spec.id, spec.slot_names[invocation.slot - UNDO_SLOT_INDEX] + UNDO_SLOT
        if not 0 <= invocation.slot < len(spec.slot_names):
            raise CorruptRecordError(
                f"routine {spec.id!r} of flow {self.flow_id!r} has {len(spec.slot_names)} slots, "
                f"none of index {invocation.slot}"
            )
        return spec.id, spec.slot_names[invocation.slot]

    def slot_names(self, index: int) -> tuple[str, ...]:
        """Return ``RoutineSpec.slot_names`` of a routine."""
        return self.routines[index].slot_names

    def mode(self, routine_index: int, slot_index: int) -> SlotMode:
        """Return what the store keeps of a slot's deliveries. Needs no class."""
        spec = self.routines[routine_index]
        if spec.slot_names[slot_index] == CALL_SLOT:
            return ""
        if spec.raw["slots"][slot_index]["merge_strategy"] != "override":
            return "m"
        if self.join(routine_index, slot_index) is not None:
            return ""
        return "o" if len(spec.slot_names) > 1 else ""

    def join(self, routine_index: int, slot_index: int) -> Join | None:
        """Return how a slot collects its deliveries; None when it does not. Needs no class."""
        slots = self.routines[routine_index].raw["slots"]
        raw = slots[slot_index].get("join") if slot_index < len(slots) else None
        return None if raw is None else Join.deserialize(raw)

    @property
    def has_undo(self) -> bool:
        """Whether a slot has one."""
        return any(map(self.undo_slots, range(len(self.routines))))

    def undo_slots(self, routine_index: int) -> list[int]:
        """Return the indexes of the routine's slots that have an undo. Needs no class."""
        slots = self.routines[routine_index].raw["slots"]
        return [index for index, slot in enumerate(slots) if slot.get("undo") is not None]

    def is_compensation(self, invocation: InvocationName) -> bool:
        """Whether it undoes what another one did."""
        return invocation.slot >= UNDO_SLOT_INDEX and (
            invocation.slot - UNDO_SLOT_INDEX in self.undo_slots(invocation.routine)
        )

    def secret(self, routine_index: int, slot_index: int) -> frozenset[str]:
        """Return the params of a slot, or of its compensation, that are told nowhere. Needs no
        class.
        """
        return frozenset(self._raw_slot(routine_index, slot_index).get("secret", ()))

    def timeout_ms(self, routine_index: int, slot_index: int) -> int:
        """Return the milliseconds that an attempt at a slot, or at its compensation, may take; 0:
        as long as it wants.
        """
        return int(self._raw_slot(routine_index, slot_index).get("timeout_ms", 0))

    def _raw_slot(self, routine_index: int, slot_index: int) -> Record:
        """The record of a slot, or of the one that a compensation is of; empty for ``__call__``."""
        slots = self.routines[routine_index].raw["slots"]
        if UNDO_SLOT_INDEX <= slot_index < CHILD_SLOT_INDEX:
            slot_index -= UNDO_SLOT_INDEX
        found: Record = slots[slot_index] if slot_index < len(slots) else {}
        return found

    def limits(self, routine_index: int, slot_index: int) -> tuple[LimitUse, ...]:
        """Return the limits of a slot. Needs no class."""
        slots = self.routines[routine_index].raw["slots"]
        raw = slots[slot_index].get("limits") if slot_index < len(slots) else None
        return () if raw is None else read_uses(raw, f"slot {slots[slot_index]['name']!r}")

    @cached_property
    def limited_connections(self) -> frozenset[tuple[str, str]]:
        """The slots, as routine and slot, to which connections with limits of their own lead."""
        return frozenset(
            (one.target_routine_id, one.target_slot) for one in self.connections if one.limits
        )

    def upstream(self, index: int) -> int:
        """Return every routine from which a delivery can lead to this one, as bits by index.

        A routine on a cycle is among its own.
        """
        return self._upstream[index]

    @cached_property
    def _upstream(self) -> list[int]:
        targets: list[set[int]] = [set() for _ in self.routines]
        for connection in self.connections:
            source = self.index(connection.source_routine_id)
            targets[source].add(self.index(connection.target_routine_id))
        found = [0] * len(targets)
        order = _sources_first(targets)
        changed = True
        # Once without cycles, and once to see it.
        while changed:
            changed = False
            for source in order:
                above = found[source] | 1 << source
                for target in targets[source]:
                    if above & ~found[target]:
                        found[target] |= above
                        changed = True
        return found

    @classmethod
    def stored(cls, name: str, text: bytes) -> Definition:
        """Read what is stored under a hash; CorruptRecordError too when it is another definition.

        The text itself is compared: one of an earlier release may lack what is written today.
        """
        definition = cls.from_json(text)
        if _hash_of(text) != name:
            raise CorruptRecordError(
                f"the definition {name} has been changed in the store: cancel its jobs and submit "
                "them again"
            )
        return definition

    @classmethod
    def from_json(cls, text: str | bytes) -> Definition:
        """Read a stored definition; CorruptRecordError or NewerRecordError when it cannot be."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CorruptRecordError(f"the definition is no JSON: {error}") from error
        return cls.deserialize(data)

    @classmethod
    def deserialize(cls, data: Record) -> Definition:
        """As ``from_json``, from a parsed record."""
        where = "the definition"
        version = read(data, "version", int, where)
        if version > DEFINITION_VERSION:
            raise NewerRecordError(
                f"the definition has version {shown(version)}, this process reads up to "
                f"{DEFINITION_VERSION}: upgrade FlowForge here"
            )
        flow_id = read(data, "flow_id", str, where)
        routines = read_list(data, "routines", dict, where)
        connections = read_list(data, "connections", dict, where)
        definition = cls(
            flow_id,
            tuple(RoutineSpec.deserialize(item) for item in routines),
            tuple(Connection.deserialize(item) for item in connections),
            read_optional(data, "error_handler", dict, where),
            read_optional(data, "max_in_flight", int, where),
            bool(read_optional(data, "keep_inputs", bool, where)),
            tuple(_late(one, where) for one in data.get("late", ())),
            read_uses(data.get("limits", ()), where),
        )
        definition._check_consistent()
        return definition

    def _check_consistent(self) -> None:
        where = f"definition of flow {self.flow_id!r}"
        check_unique((spec.id for spec in self.routines), "routine", where)
        by_id = {spec.id: spec for spec in self.routines}
        for connection in self.connections:
            source = by_id.get(connection.source_routine_id)
            target = by_id.get(connection.target_routine_id)
            if source is None or connection.source_event not in source.event_names:
                raise CorruptRecordError(f"{where}: {connection} starts at an unknown event")
            if target is None or connection.target_slot not in target.slot_names:
                raise CorruptRecordError(f"{where}: {connection} ends at an unknown slot")


def _late(raw: object, where: str) -> tuple[int, str]:
    if isinstance(raw, list) and [type(part) for part in raw] == [int, str]:
        return raw[0], raw[1]
    raise CorruptRecordError(f"{where}: {shown(raw)} is no time from which jobs are late")


def _sources_first(targets: Sequence[set[int]]) -> list[int]:
    """The nodes of a graph, each before its targets but for cycles."""
    order: list[int] = []
    known: set[int] = set()
    for root in range(len(targets)):
        path = [] if root in known else [(root, iter(targets[root]))]
        known.add(root)
        while path:
            _, left = path[-1]
            target = next((target for target in left if target not in known), None)
            if target is None:
                order.append(path.pop()[0])
            else:
                known.add(target)
                path.append((target, iter(targets[target])))
    return order[::-1]


def _hash_of(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:32]


def _sorted_keys(value: Any) -> Any:
    """A record with its keys in one order for every process. A routine's config stays as it is."""
    if isinstance(value, dict):
        return {k: v if k == "config" else _sorted_keys(v) for k, v in sorted(value.items())}
    if isinstance(value, list):
        return [_sorted_keys(item) for item in value]
    return value
