"""Paused queues: what older workers push is put aside, a resume that was broken off goes on."""

from __future__ import annotations

from flowforge.errors import RecordError
from flowforge.store.store import Store
from flowforge.store.transitions.answers import Answer

#: Calls in a row that put messages back, about 1 ms of the server's time each.
_CALLS = 20


class QueuePauses:
    """Keeps the pauses of queues."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def run_once(self) -> int:
        """How many queues are paused."""
        unreadable: list[RecordError] = []
        pauses = self._store.queue_pauses
        found = pauses.all(unreadable)
        for pause in found:
            if not pause.resuming:
                pauses.uphold(pause)
                continue
            for _ in range(_CALLS):
                if pauses.put_back(pause.queue, pause.lists) is not Answer.MORE:
                    break
        for error in unreadable:
            self._store.upkeep.tell_damaged("paused", "", str(error))
        return len(found)
