"""Celery's limits on invocations: which are set, and which of them a pool cannot keep."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
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


def rate_limited(worker: Any) -> list[str]:
    """Invocations, as ``job/invocation``, whose messages wait in the worker for a rate limit."""
    buckets = getattr(worker.consumer, "task_buckets", None) or {}
    waiting = (list(bucket.contents) for bucket in list(buckets.values()) if bucket)
    requests = [request for contents in waiting for request, _ in contents]
    return [
        in_job(*request.args[:2])
        for request in requests[:_REPORTED]
        if hasattr(request.task, "observation")
    ]


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
