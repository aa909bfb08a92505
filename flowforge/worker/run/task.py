"""The Celery tasks: one for each routine class, all doing the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import Celery, Task

from flowforge.broker.guard import UNKNOWN_TASK
from flowforge.broker.message import MARK
from flowforge.errors import UnknownRoutineClassError
from flowforge.model import registry
from flowforge.model.invocation_id import task_id
from flowforge.model.routine import Routine
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.claims import Granted
from flowforge.worker.consuming.limits import TASK_LIMITS
from flowforge.worker.consuming.observation import Observation
from flowforge.worker.run import log_lines
from flowforge.worker.run.next_invocation import next_invocation, run_on
from flowforge.worker.run.reports import Failed, Retried, Uncounted, raised
from flowforge.worker.run.runtime import Runtime
from flowforge.worker.run.runtimes import Runtimes

#: What is told with a task that has to return to Celery when it has ended: the token to claim its
#: invocation with, which so the worker's main process knows as well.
TOKEN = "flowforge_token"


class InvocationTask(Task):  # type: ignore[type-arg]
    """Runs one invocation. The arguments are ids; everything else is in the store."""

    abstract = True
    Request = "flowforge.worker.run.requests:InvocationRequest"
    acks_late = True
    # What has failed is recorded, and is not run again for that the message comes back.
    acks_on_failure = True
    acks_on_timeout = True
    reject_on_worker_lost = False
    retry_on_worker_lost = False
    ignore_result = True
    typing = False
    serializer = "json"
    runtimes: Runtimes
    observation: Observation
    _tracer: Callable[..., Any] | None = None

    def run(self, job_id: str, invocation: str) -> None:
        granted, token = next_invocation.take()
        lists = next_invocation.open_lists()
        ended = self.runtimes.of(job_id).invoke(job_id, invocation, granted, lists, token)
        if isinstance(ended, (Failed, Retried, Uncounted)):
            raise raised(ended)
        next_invocation.granted = ended

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in TASK_LIMITS:
            # Remote control sets them while the worker runs.
            self.observation.limit_changed(self)

    # Celery builds a tracer for each task of a worker and keeps it in this attribute. Its own work
    # is left as it is; what the commit claimed next is traced after it.
    @property
    def __trace__(self) -> Callable[..., Any] | None:
        return None if self._tracer is None else self._trace

    @__trace__.setter
    def __trace__(self, tracer: Callable[..., Any] | None) -> None:
        self._tracer = tracer

    def _trace(self, uuid: str, args: Any, kwargs: Any, request: Any = None) -> Any:
        assert self._tracer is not None, "Celery traces only with a tracer that it has set"
        tracer, runtime = self._tracer, self.runtimes.of(args[0])
        request = request or {}
        token = request.get(TOKEN)
        with self.runtimes.process_lock.shared():
            if token is not None or not runtime.settings.time_slice:
                next_invocation.token = token
                return tracer(uuid, args, kwargs, request)
            info = request.get("delivery_info") or {}
            lists = runtime.lists(info.get("routing_key", ""))
            return run_on(
                lambda: tracer(uuid, args, kwargs, request),
                lambda granted: self._trace_next(runtime, granted, info),
                lists,
                runtime.settings.time_slice,
            )

    def _trace_next(self, runtime: Runtime, granted: Granted, delivery_info: Any) -> Any:
        name = runtime.plans.class_name(granted.claim.definition, granted.invocation)
        task = self.app.tasks.get(name)
        tracer = task._tracer if isinstance(task, InvocationTask) else None
        if tracer is None:
            # Not known here: running it under this task gives it back with the reason.
            task, tracer = self, self._tracer
        assert tracer is not None
        uuid = task_id(granted.job_id, granted.invocation)
        request = {
            "id": uuid,
            "task": name,
            "root_id": granted.job_id,
            "correlation_id": uuid,
            "delivery_info": delivery_info,
            "hostname": runtime.worker,
            "retries": 0,
            "ignore_result": True,
            # What Celery finds of its own in a message's headers, and would look for here.
            "headers": {MARK: 1},
        }
        return tracer(uuid, [granted.job_id, granted.invocation], {}, request)


class UnknownClassTask(Task):  # type: ignore[type-arg]
    """Gives back an invocation whose routine class this worker has not imported."""

    name = UNKNOWN_TASK
    acks_late = True
    ignore_result = True
    runtimes: Runtimes

    def run(self, job_id: str, invocation: str, class_name: str) -> None:
        runtime = self.runtimes.of(job_id)
        class_name = runtime.plans.class_of(job_id, invocation) or class_name
        if class_name in registry.known():
            # The message named another class than the job's definition, which alone counts.
            with self.runtimes.process_lock.shared():
                ended = runtime.invoke(job_id, invocation)
            if isinstance(ended, (Failed, Retried)):
                raise raised(ended)
            return
        queue = (self.request.delivery_info or {}).get("routing_key", "?")
        fix = registry.remedy(class_name, f"the workers that consume {queue!r}")
        reason = (
            f"no worker on queue {queue!r} knows routine class {class_name}: {fix} (last tried: "
            f"{runtime.worker})"
        )
        answer = runtime.recorder.give_back(job_id, invocation, reason)
        if answer is Answer.FAILED:
            raise UnknownRoutineClassError(reason)
        if answer is Answer.OK:
            place = runtime.plans.place_in(job_id, invocation)
            log_lines.given_back(job_id, invocation, place, reason)
        else:
            log_lines.not_claimed(job_id, invocation, answer)


class InvocationTasks:
    """The names of an app's invocation tasks, with those that come later."""

    def __init__(self, app: Celery) -> None:
        self._tasks = app.tasks

    def __contains__(self, name: object) -> bool:
        return isinstance(self._tasks.get(str(name)), InvocationTask)


class TaskQueues:
    """The names of an app's queues of tasks, with those that are consumed from later.

    An app without remote control reads no other lists, so every list counts there.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app

    def __contains__(self, name: object) -> bool:
        # Asked each time: the app may be configured further after flows have joined it.
        return name in self._app.amqp.queues or not self._app.conf.worker_enable_remote_control


def add_tasks(app: Celery, runtimes: Runtimes, observation: Observation) -> Callable[[], None]:
    """Give ``app`` a task for every registered routine class, until the result is called."""

    def add(cls: type[Routine]) -> None:
        name = registry.class_name(cls)
        attributes: dict[str, Any] = {"name": name, "__doc__": cls.__doc__}
        attributes |= {"runtimes": runtimes, "observation": observation}
        # A class that is defined again, as in a notebook, replaces the task of its name.
        app.tasks.pop(name, None)
        app.register_task(type(cls.__name__, (InvocationTask,), attributes)())

    unknown = type("Unknown", (UnknownClassTask,), {"runtimes": runtimes})
    app.register_task(unknown())
    return registry.on_register(add)
