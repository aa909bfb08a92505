"""Saying what the handlers take that this worker knows, for forms that start jobs."""

from __future__ import annotations

from flowforge.model import registry
from flowforge.store.fleet_reads.handler_records import HandlerRecords
from flowforge.store.store import Store


class HandlerReports:
    """Says it of all routine classes: at the start, and again now and then, since it expires."""

    def __init__(self, store: Store) -> None:
        self._records = HandlerRecords(store)

    def run_once(self) -> int:
        """How many classes were told of."""
        return self._records.write(registry.known())
