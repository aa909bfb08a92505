"""What of Celery has to see every invocation, and so forbids going from one straight to the next.

Limits, events and revocations are kept by Celery in the worker's main process, where only what
comes through the consumer is seen. They can be set while the worker runs, by remote control. So
the question is asked for each task that is handed to the pool; its answer goes along with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.concurrency.prefork import TaskPool as ProcessPool
from celery.worker import state

from flowforge.model.invocation_id import is_task_id
from flowforge.worker.consuming.limits import any_limit, warn_of_limits
from flowforge.worker.consuming.timed_tasks import TimedTasks


class Observation:
    """Whether a worker's main process has to see every invocation."""

    def __init__(self) -> None:
        self._worker: Any = None
        self._limited = False
        #: How many revoked ids were looked at, and whether an invocation's was among them.
        self._looked_at, self._revoked = 0, False
        #: Attempts in its processes that have a timeout.
        self.timed = TimedTasks(self._call_after)

    def begin(self, worker: Any) -> None:
        """Take what holds for all tasks of ``worker``, and what holds for each by now."""
        self._worker = worker
        self._update_limits()
        warn_of_limits(worker, _invocation_tasks(worker))

    def limit_changed(self, task: Any) -> None:
        """Look at the limits of all tasks again; also Celery's consumer, for those of this one."""
        if self._worker is None:
            return
        self._update_limits()
        consumer = self._worker.consumer
        if consumer is not None and task.name in consumer.strategies:
            # The time limits of a task are part of what the consumer does with its messages.
            consumer.strategies[task.name] = task.start_strategy(consumer.app, consumer)
        warn_of_limits(self._worker, [task])

    def needed(self, eventer: Any) -> bool:
        """Whether the invocation that is about to be run must return to Celery when it has ended.

        ``eventer``: what sends the worker's events, if anything does.
        """
        return (
            self._limited
            or (eventer is not None and _sends_task_events(eventer))
            or (len(state.revoked) != 0 and self._invocation_revoked())
        )

    @property
    def can_end_processes(self) -> bool:
        """Whether the pool has processes, which can be ended while they run a task."""
        return isinstance(self._worker.pool, ProcessPool)

    def end_process(self, result: Any, limit: float | None) -> None:
        """End the process that runs a task, as if its hard limit of seconds were over.

        ``result``: what the pool has given for the task.
        """
        result._timeout = limit
        self._worker.pool._pool._timeout_handler.on_hard_timeout(result)

    def _call_after(
        self, seconds: float, function: Callable[..., object], arguments: tuple[float]
    ) -> None:
        """Call a function later, in the thread of the worker's event loop."""
        self._worker.consumer.timer.call_after(seconds, function, arguments)

    def _update_limits(self) -> None:
        self._limited = any_limit(self._worker, _invocation_tasks(self._worker))

    def _invocation_revoked(self) -> bool:
        number = len(state.revoked)
        if number != self._looked_at:
            # One of a full set's ids can have changed without a change of their number.
            full = number >= state.revoked.maxlen
            ids = map(is_task_id, map(str, state.revoked))
            self._looked_at, self._revoked = (0 if full else number), full or any(ids)
        return self._revoked


def _sends_task_events(eventer: Any) -> bool:
    """Heartbeats alone, which Celery sends by default, need no task to be seen."""
    return bool(eventer.enabled and (not eventer.groups or "task" in eventer.groups))


def _invocation_tasks(worker: Any) -> list[Any]:
    return [task for task in worker.app.tasks.values() if hasattr(task, "observation")]
