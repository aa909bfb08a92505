"""A queue of the fleet: pausing it on all servers, and resuming it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import TypeVar

from flowforge.broker.routing import Router
from flowforge.common.bounded_repr import shown
from flowforge.engine.current import current_engine
from flowforge.engine.engine import Engine
from flowforge.engine.operator_name import operator_name
from flowforge.engine.texts import checked_text
from flowforge.errors import InvalidValueError, StoreUnavailableError
from flowforge.store.transitions.queue_pauses import QueuePause

#: Characters of the name of a queue, and of a reason.
_MOST_NAME = 200
_MOST_REASON = 1000

_T = TypeVar("_T")


class Queue:
    """A queue of the workers, on all servers.

    ``name``: as ``flowforge worker -Q`` and ``routine.queue`` have it. ValueError for none.
    """

    def __init__(self, name: str, engines: Sequence[Engine] | None = None) -> None:
        if not 0 < len(checked_text("name", name)) <= _MOST_NAME:
            raise InvalidValueError(
                f"the name of a queue has 1 to {_MOST_NAME} characters; this is {shown(name)}"
            )
        if any(unicodedata.category(character) == "Cc" for character in name):
            raise InvalidValueError(
                f"the name of a queue has no control characters; this is {shown(name)}"
            )
        self.name = name
        self._engines = current_engine().each if engines is None else engines

    def __repr__(self) -> str:
        return f"Queue({self.name!r})"

    def pause(self, reason: str = "", *, by: str | None = None) -> bool:
        """From now on workers claim no invocation of the queue; those that run may commit.

        Their jobs stay ``running``. Other Celery tasks of the queue go on. ``by``: who does it;
        None: this user. False when the queue was paused before: it keeps its reason.

        With several servers each is told; StoreUnavailableError names those that were not.
        """
        who = operator_name(by)
        if len(checked_text("reason", reason)) > _MOST_REASON:
            raise InvalidValueError(f"reason has more than {_MOST_REASON} characters")
        return any(
            self._on_each(
                lambda engine: engine.store.queue_pauses.pause(
                    self.name, _lists(engine, self.name), who, reason
                )
            )
        )

    def resume(self) -> bool:
        """Let workers go on: what was kept of the queue is put back in its order.

        False when the queue is not paused. Raises as ``pause`` does.
        """
        return any(
            self._on_each(
                lambda engine: engine.store.queue_pauses.resume(
                    self.name, _lists(engine, self.name)
                )
            )
        )

    @property
    def paused(self) -> QueuePause | None:
        """Who has paused it, since when and why; None when it is not paused.

        Where servers differ, the first pause.
        """
        found = [
            pause
            for engine in self._engines
            for pause in engine.store.queue_pauses.all()
            if pause.queue == self.name
        ]
        return min(found, key=lambda one: one.since, default=None)

    def _on_each(self, action: Callable[[Engine], _T]) -> list[_T]:
        """What the action returns on each server; it is tried on all of them before any error is
        raised.
        """
        found, errors = [], []
        for engine in self._engines:
            try:
                found.append(action(engine))
            except StoreUnavailableError as error:
                errors.append(error)
        if not errors:
            return found
        if found:
            told = f"{len(found)} of {len(self._engines)} servers"
            errors[0].add_note(
                f"{told} {'was' if len(found) == 1 else 'were'} told: do it again when all answer"
            )
        raise errors[0]


def _lists(engine: Engine, queue: str) -> Sequence[str]:
    """The broker lists of a queue: those of its pause, which may be those of another setup."""
    known = [one.lists for one in engine.store.queue_pauses.all([]) if one.queue == queue]
    lists = Router(engine.app).lists(queue)
    return list(dict.fromkeys([*lists, *(known[0] if known else ())]))
