"""Sending a refused message again: to the broker list of its queue and its priority."""

from __future__ import annotations

import json

from flowforge.broker.routing import Router
from flowforge.engine.engine import Engine
from flowforge.store.fleet_reads.dead_letters import DeadLetters


def requeue(engine: Engine, number: int) -> None:
    """Push a dead letter to its queue again, and forget it; DeadLetterError as the store's."""
    letters = DeadLetters(engine.store)
    letter = letters.get(number)
    router = Router(engine.app)
    first, *_ = router.lists(letter.queue)
    letters.requeue(number, first + router.suffix(_priority(letter.item)))


def _priority(item: bytes) -> int:
    """The priority that a message claims; 0 when it claims none."""
    try:
        priority = json.loads(item)["properties"]["priority"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return 0
    return priority if type(priority) is int and 0 <= priority <= 9 else 0
