"""A Celery pool of daemon threads, for a worker inside a user's process.

The threads of Celery's own pool are joined when the interpreter ends, so a script would hang on a
handler that is still running; these end with the process.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from celery.concurrency.base import BasePool, apply_target

logger = logging.getLogger(__name__)


class TaskPool(BasePool):
    """``limit`` threads that take tasks from one queue."""

    body_can_be_buffer = True
    signal_safe = False
    # The process is the user's, who may wait for results in it.
    task_join_will_block = False
    _work: queue.SimpleQueue[Callable[[], Any] | None]

    def on_start(self) -> None:
        self._work = queue.SimpleQueue()
        for number in range(self.limit):
            name = f"flowforge-handler-{number + 1}"
            threading.Thread(target=self._take_work, name=name, daemon=True).start()

    def on_apply(
        self,
        target: Callable[..., Any],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        callback: Callable[..., Any] | None = None,
        accept_callback: Callable[..., Any] | None = None,
        **_: Any,
    ) -> None:
        # The task is looked up in this worker's app, whatever the process's current app is.
        options = {**(kwargs or {}), "app": self.app}
        self._work.put(lambda: apply_target(target, args, options, callback, accept_callback))

    def on_stop(self) -> None:
        for _ in range(self.limit):
            self._work.put(None)

    on_terminate = on_stop

    def _take_work(self) -> None:
        while (job := self._work.get()) is not None:
            try:
                job()
            except Exception:
                logger.exception("a task ended the handler's thread; going on")
