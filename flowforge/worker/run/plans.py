"""The plans that a worker process keeps, and what they tell of an invocation."""

from __future__ import annotations

from flowforge.common.lru_cache import Recent
from flowforge.errors import CorruptRecordError, RecordError
from flowforge.model.invocation_id import InvocationName, routine_of
from flowforge.model.plan import Plan
from flowforge.store.definitions import definition_of, stored_definition
from flowforge.store.fleet_reads.totals import SlotName
from flowforge.store.store import Store

#: Definitions kept by a process, the most recently used ones.
_PLANS = 256


class Plans:
    """The plans of one store's definitions."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: Recent[str, Plan] = Recent(_PLANS)

    def get(self, definition_hash: str) -> Plan:
        """The plan of a stored definition; CorruptRecordError when it is missing or unreadable."""
        found = self._kept.get(definition_hash)
        return found or self._kept.add(definition_hash, self.read(definition_hash))

    def read(self, definition_hash: str) -> Plan:
        """As ``get``, but neither taken from what is kept nor kept."""
        definition = stored_definition(self._store, definition_hash)
        if definition is None:
            raise CorruptRecordError(f"definition {definition_hash} is not stored any more")
        return Plan(definition)

    def class_of(self, job_id: str, invocation: str) -> str:
        """``class_name`` by the definition that a job is pinned to."""
        definition_hash = definition_of(self._store, job_id)
        return "" if definition_hash is None else self.class_name(definition_hash, invocation)

    def class_name(self, definition_hash: str, invocation: str) -> str:
        """The routine class, and task, of an invocation; empty when it cannot be read."""
        try:
            routine = routine_of(invocation)
            return self.get(definition_hash).definition.routines[routine].class_name
        except (RecordError, IndexError):
            return ""

    def place_in(self, job_id: str, invocation: str) -> str:
        """``place_of`` by the definition that a job is pinned to."""
        return self.place_of(definition_of(self._store, job_id) or "", invocation)

    def place_of(self, definition_hash: str, invocation: str) -> str:
        """``routine.slot`` of an invocation; its invocation when it cannot be read."""
        name = self.slot_name(definition_hash, invocation)
        return invocation if name is None else f"{name.routine_id}.{name.slot}"

    def slot_name(self, definition_hash: str, invocation: str) -> SlotName | None:
        """Flow, routine and slot of an invocation; None when it cannot be read."""
        try:
            definition = self.get(definition_hash).definition
            place = definition.place_of(InvocationName.parse(invocation))
            return SlotName(definition.flow_id, *place)
        except (RecordError, ValueError):
            return None
