"""Celery's consumer in a worker of flows: what it leaves out, and how often it starts again."""

from __future__ import annotations

import time
from typing import Any

from celery import bootsteps
from celery.bootsteps import RUN  # type: ignore[attr-defined]
from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown

#: Seconds that a connection has to last for the next one to be made without a pause.
SHORT = 5.0

#: Seconds between two starts of a consumer whose connections do not last, at first and at most.
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 2.0

#: Seconds between two looks whether the worker is to end.
_LOOK = 0.1


class FleetConsumer(Consumer):
    """Without mingle and gossip: workers of a fleet have nothing to tell each other.

    Each start would wait for a second for answers, need rights to channels, and read what anybody
    publishes there.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        without = {"without_mingle": True, "without_gossip": True}
        options["worker_options"] = {**(options.get("worker_options") or {}), **without}
        super().__init__(*arguments, **options)


class RestartBackoff(bootsteps.StartStopStep):
    """Pauses between the starts of a consumer, growing while its connections do not last.

    Celery starts it again at once when a server that lets it connect refuses what comes next.
    """

    requires = ("celery.worker.consumer.connection:Connection",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._begun = time.monotonic()
        self._pause = 0.0

    def stop(self, consumer: Any) -> None:
        """Called for every step before the consumer starts again, and when it ends."""
        if consumer.blueprint.state != RUN:
            return
        lasted = time.monotonic() - self._begun
        self._pause = min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE) if lasted < SHORT else 0
        until = time.monotonic() + self._pause
        while time.monotonic() < until:
            maybe_shutdown()
            time.sleep(_LOOK)
        self._begun = time.monotonic()
