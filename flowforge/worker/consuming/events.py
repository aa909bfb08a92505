"""The events that a worker sends for Celery's monitors: none may hold up its event loop."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from celery.events.dispatcher import EventDispatcher

#: Seconds for which a worker tells nothing of itself after the server has not taken it.
PAUSE = 60.0


class UnretriedEvents(EventDispatcher):
    """Sends each event once. What the server does not take is sent at the start of the consumer.

    Celery repeats a heartbeat until the server takes it, in the event loop: a worker whose server
    is silent then acts on no signal. Each try takes some seconds as well, so the next heartbeat
    waits.
    """

    _silent_until = 0.0

    def send(self, type: str, **fields: Any) -> Any:  # type: ignore[override]
        """As Celery's, but ``retry`` changes nothing."""
        if type.startswith("worker-") and time.monotonic() < self._silent_until:
            return None
        unsent: deque[Any] = self._outbound_buffer  # type: ignore[attr-defined]
        before = len(unsent)
        sent = super().send(type, **{**fields, "retry": False})
        if len(unsent) > before:
            self._silent_until = time.monotonic() + PAUSE
        return sent


#: As ``dispatcher_cls`` of an app's events names it.
NAME = f"{UnretriedEvents.__module__}:{UnretriedEvents.__qualname__}"
