"""Celery's limits on invocations: which are set, and which of them a pool cannot keep."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flowforge.model.invocation_id import in_job

logger = logging.getLogger(__name__)

#: Those of a task. Remote control sets them while a worker runs.
TIME_LIMITS = ("time_limit", "soft_time_limit")
TASK_LIMITS = ("rate_limit", *TIME_LIMITS)

#: Those that need a process for each task that runs.
_OF_PROCESSES = (*TIME_LIMITS, "max_tasks_per_child", "max_memory_per_child")

#: Which of these a pool, by its module, does not keep. Pools that are not named keep none.
_UNKEPT = {
    "celery.concurrency.prefork": (),
    "celery.concurrency.gevent": _OF_PROCESSES[1:],
    "celery.concurrency.eventlet": _OF_PROCESSES[1:],
}

#: Messages that a report of a worker names.
_REPORTED = 1000

#: Tasks that are named, of those with the same limit.
_NAMED = 3


def any_limit(worker: Any, tasks: Iterable[Any]) -> bool:
    """Whether Celery has to keep a limit of the worker or of one of its invocation tasks."""
    return bool(
        worker.time_limit
        or worker.soft_time_limit
        or worker.max_tasks_per_child
        or any(getattr(task, limit) for task in tasks for limit in TASK_LIMITS)
    )


class RateLimited:
    """The invocations, as ``job/invocation``, whose messages wait in a worker for a rate limit, and
    those that did so less than ``grace`` seconds ago.

    A message that has waited is not claimed yet: on its way to a handler it is older than the grace
    period, and if it were not named it would be found lost.
    """

    def __init__(
        self, worker: Any, grace: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._worker = worker
        self._grace = grace
        self._clock = clock
        #: Those that held messages. When remote control sets a rate limit, Celery makes new ones,
        #: and what waits in a former one goes on waiting there.
        self._buckets: set[Any] = set()
        #: When each was last seen to wait.
        self._seen: dict[str, float] = {}

    def __call__(self) -> list[str]:
        now = self._clock()
        waiting = dict.fromkeys(self._waiting(), now)
        recent = {one: at for one, at in self._seen.items() if now - at < self._grace}
        self._seen = recent | waiting
        return [*waiting, *(recent.keys() - waiting.keys())][:_REPORTED]

    def _waiting(self) -> Iterator[str]:
        named = getattr(self._worker.consumer, "task_buckets", None) or {}
        buckets = self._buckets | {bucket for bucket in list(named.values()) if bucket}
        contents = {bucket: list(bucket.contents) for bucket in buckets}
        self._buckets = {bucket for bucket, requests in contents.items() if requests}
        for requests in contents.values():
            for request, _ in requests:
                if hasattr(request.task, "observation"):
                    yield in_job(*request.args[:2])


def warn_of_limits(worker: Any, tasks: Iterable[Any]) -> None:
    """Log which limits of the worker, and of these tasks, its pool does not keep."""
    pool = type(worker.pool).__module__
    unkept = list(_set_limits(worker, list(tasks), _UNKEPT.get(pool, _OF_PROCESSES)))
    if unkept:
        logger.warning(
            "the pool %s does not keep %s: start the worker with -P prefork for it, or let "
            "handlers look at the time themselves",
            pool.rpartition(".")[2],
            "; ".join(unkept),
        )


def _set_limits(worker: Any, tasks: list[Any], names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        if value := getattr(worker, name, None):
            yield f"{name} ({value}) of the worker"
        limited = sorted(task.name for task in tasks if getattr(task, name, None))
        if limited:
            more = f" and {len(limited) - _NAMED} more" if len(limited) > _NAMED else ""
            yield f"{name} of {', '.join(limited[:_NAMED])}{more}"
