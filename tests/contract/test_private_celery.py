"""Private names of Celery outside its consumer that FlowForge uses, and what it relies on."""

from __future__ import annotations

import logging
import pickle
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType, SimpleNamespace
from typing import Any
from unittest.mock import Mock

import celery.apps.worker as program
import gevent
import pytest
from celery import Celery, Task, signals
from celery.app.defaults import DEFAULTS
from celery.app.events import Events
from celery.app.log import TaskFormatter
from celery.app.trace import trace_task
from celery.app.utils import find_app
from celery.concurrency.base import BasePool, apply_target
from celery.concurrency.gevent import TaskPool as GreenletPool
from celery.events.dispatcher import EventDispatcher
from celery.exceptions import WorkerShutdown, WorkerTerminate
from celery.utils.log import ColorFormatter
from celery.utils.serialization import (
    get_pickleable_etype,
    get_pickleable_exception,
    get_pickled_exception,
)
from celery.worker import state
from celery.worker.heartbeat import Heart
from celery.worker.request import Request, create_request_cls
from kombu.asynchronous.semaphore import LaxBoundedSemaphore

import flowforge.joining


def add(one: int, two: int) -> int:
    return one + two


@pytest.fixture
def app() -> Celery:
    app = Celery("stock", broker="memory://", set_as_current=False)
    app.conf.task_ignore_result = True
    app.task(shared=False, name="add")(add)
    return app


# --- tasks and their requests ----------------------------------------------------------


class Traced(Task):  # type: ignore[type-arg]
    """A task that has a hand in how it is run."""

    name = "traced"
    tracer: Callable[..., Any] | None = None
    calls: tuple[Any, ...] = ()

    def run(self, number: int) -> int:
        return number

    @property
    def __trace__(self) -> Callable[..., Any] | None:
        return None if self.tracer is None else self._trace

    @__trace__.setter
    def __trace__(self, tracer: Callable[..., Any] | None) -> None:
        self.tracer = tracer

    def _trace(self, *arguments: Any) -> Any:
        assert self.tracer is not None
        self.calls += (arguments,)
        return self.tracer(*arguments)


@pytest.mark.private_name("celery", "Task.__trace__")
def test_celery_runs_a_task_by_its_trace_attribute(app: Celery) -> None:
    """It sets the tracer that it has built, and calls what it finds there then."""
    task: Any = app.register_task(Traced())
    assert task.__trace__ is None
    result, info, _, _ = trace_task(task, "id-1", (5,), {}, {"id": "id-1"}, app=app)
    assert (result, info) == (5, None)
    assert task.calls == (("id-1", (5,), {}, {"id": "id-1"}),)


class OwnRequest(Request):
    """Adds something to what the pool is told."""

    _request_dict: dict[str, Any]

    @property
    def request_dict(self) -> dict[str, Any]:
        return {**self._request_dict, "added": 1}


def request_of(app: Celery, eventer: Any = None, pool: Any = None) -> Any:
    """The request of a message, as a worker's strategy makes it."""
    pool = pool or SimpleNamespace(apply_async=None)
    app.send_task("add", (1, 2), task_id="id-1")
    with app.connection_for_read() as connection:
        message = connection.default_channel.basic_get("celery", no_ack=True)
    task = app.tasks["add"]
    kind = create_request_cls(OwnRequest, task, pool, "host", eventer)
    return kind(message, app=app, task=task, hostname="host", eventer=eventer)


@pytest.mark.private_name("celery", "Request._request_dict")
@pytest.mark.private_name("celery", "Request.request_dict")
def test_the_pool_gets_the_request_dict(app: Celery) -> None:
    """A message's headers and what Celery adds to them, by way of the property."""
    given: list[Any] = []
    pool = SimpleNamespace(apply_async=lambda target, args, **options: given.extend(args))
    request = request_of(app, pool=pool)
    assert request._request_dict["id"] == "id-1"
    assert request._request_dict["hostname"] == "host"
    request.execute_using_pool(pool)
    name, task_id, headers, *_ = given
    assert (name, task_id) == ("add", "id-1")
    assert headers == {**request._request_dict, "added": 1}


@pytest.mark.private_name("celery", "Request._eventer")
def test_a_request_has_the_eventer_of_its_worker(app: Celery) -> None:
    """What sends the worker's events."""
    eventer = SimpleNamespace(enabled=False)
    assert request_of(app, eventer)._eventer is eventer


@pytest.mark.private_name("celery", "Request._apply_result")
def test_a_request_has_a_reference_to_what_the_pool_gave(app: Celery) -> None:
    """A weak one; None where the pool gives nothing."""
    result = Celery("any weak reference", set_as_current=False)
    for given in (result, None):
        pool = SimpleNamespace(apply_async=lambda *_, given=given, **options: given)
        request = request_of(app, pool=pool)
        request.execute_using_pool(pool)
        reference = request._apply_result
        assert (reference and reference()) is given


@pytest.mark.private_name("celery", "Request._context")
@pytest.mark.private_name("celery", "Request._announce_revoked")
def test_a_revoked_request_is_told_with_its_context(app: Celery) -> None:
    """By the signal, and its message is acknowledged."""
    told: list[dict[str, Any]] = []

    def revoked(sender: Any, **details: Any) -> None:
        told.append({"sender": sender, **details})

    request = request_of(app)
    signals.task_revoked.connect(revoked)
    try:
        request._announce_revoked("terminated", True, signal.SIGTERM, False)
    finally:
        signals.task_revoked.disconnect(revoked)
    (details,) = told
    assert details["sender"] is app.tasks["add"]
    assert details["request"] is request._context
    assert request._context.id == "id-1"
    assert list(request._context.args) == [1, 2]
    assert (details["terminated"], details["signum"]) == (True, signal.SIGTERM)
    assert request.acknowledged


# --- how a worker ends -----------------------------------------------------------------


@pytest.fixture
def process_signals() -> Iterator[None]:
    """The process's own handlers are back afterwards."""
    numbers = (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT)
    kept = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def handler_of(number: int) -> Any:
    return signal.getsignal(number)


@pytest.mark.private_name("celery", "worker_Warm")
@pytest.mark.private_name("celery", "worker_Cold")
def test_handlers_of_signals_have_names_that_tell_what_they_do(
    process_signals: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first Ctrl-C is a warm end, and puts a cold one in its own place."""
    for flag in ("should_stop", "should_terminate"):
        monkeypatch.setattr(state, flag, None)
    worker: Any = SimpleNamespace(hostname="h", consumer=SimpleNamespace())
    program.install_worker_term_handler(worker)
    program.install_worker_term_hard_handler(worker)
    program.install_worker_int_handler(worker)
    assert handler_of(signal.SIGTERM).__name__ == "worker_Warm"
    assert handler_of(signal.SIGQUIT).__name__ == "worker_Cold"
    assert handler_of(signal.SIGINT).__name__ == "worker_Warm"
    handler_of(signal.SIGINT)(signal.SIGINT, None)
    assert handler_of(signal.SIGINT).__name__ == "worker_Cold"
    assert state.should_stop is not None
    assert state.should_terminate is None


@pytest.mark.private_name("celery", "state.should_terminate")
def test_a_worker_ends_with_the_status_in_should_terminate(monkeypatch: pytest.MonkeyPatch) -> None:
    """At its next look; None is for a worker that goes on."""
    monkeypatch.setattr(state, "should_stop", None)
    monkeypatch.setattr(state, "should_terminate", None)
    state.maybe_shutdown()
    vars(state)["should_terminate"] = 70
    with pytest.raises(WorkerTerminate) as ended:
        state.maybe_shutdown()
    assert ended.value.code == 70
    vars(state)["should_terminate"] = None
    vars(state)["should_stop"] = 0
    with pytest.raises(WorkerShutdown):
        state.maybe_shutdown()


@pytest.mark.private_name("celery", "state.revoked.maxlen")
def test_a_full_set_of_revoked_ids_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    """``maxlen`` says when, so a change need not change how many there are."""
    revoked = state.revoked
    assert revoked.maxlen > 0
    small = type(revoked)(maxlen=2)
    for name in ("one", "two", "three"):
        small.add(name)
    assert len(small) == small.maxlen == 2
    assert "three" in set(small)


@pytest.mark.private_name("celery", "worker.semaphore.clear")
def test_clearing_the_semaphore_forgets_what_waits_for_a_process() -> None:
    """It would be handed to the pool when a process becomes free."""
    semaphore, run = LaxBoundedSemaphore(1), list[str]()
    semaphore.acquire(run.append, "first")
    semaphore.acquire(run.append, "second")
    semaphore.clear()
    semaphore.release()
    assert run == ["first"]


@pytest.mark.private_name("celery", "pool.spawn_n")
@pytest.mark.private_name("celery", "pool.is_green")
def test_a_pool_of_greenlets_runs_a_function_in_a_new_one() -> None:
    """``is_green`` tells which pools can."""
    pool = GreenletPool(2)
    pool.on_start()
    ran: list[tuple[int, str]] = []
    pool.spawn_n(lambda *arguments: ran.append(arguments), 1, "a")
    gevent.sleep(0)
    assert ran == [(1, "a")]
    assert pool.is_green
    assert not BasePool.is_green


# --- the app ---------------------------------------------------------------------------


@pytest.mark.private_name("celery", "app.defaults.DEFAULTS")
def test_the_settings_that_nobody_has_set_are_known(app: Celery) -> None:
    """By the names that the configuration has."""
    for name in ("worker_log_format", "worker_task_log_format"):
        assert DEFAULTS[name] == app.conf[name]


@pytest.mark.private_name("celery", "utils.log.ColorFormatter")
@pytest.mark.parametrize("cls", [ColorFormatter, TaskFormatter])
def test_celerys_formatters_can_be_made_with_another_format(cls: Any) -> None:
    """The worker's own and that of tasks."""
    assert issubclass(cls, ColorFormatter)
    made = cls("%(message)s!", datefmt="%H", use_color=False)
    assert made.format(logging.makeLogRecord({"msg": "hello"})) == "hello!"
    assert (made.datefmt, made.use_color) == ("%H", False)


@pytest.mark.private_name("celery", "amqp.Connection")
def test_connections_of_an_app_are_made_by_a_class_that_can_be_set(app: Celery) -> None:
    """Those for reading and for writing."""
    own = type("Own", (app.amqp.Connection,), {})
    app.amqp.Connection = own
    assert isinstance(app.connection_for_read(), own)
    assert isinstance(app.connection_for_write(), own)


@pytest.mark.private_name("celery", "Celery.fixups")
@pytest.mark.private_name("celery", "conf keys that begin with _")
def test_a_copy_of_an_app_has_its_fixups_and_its_configuration(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fixup is a text, and is called with the copy; what is shown of the configuration leaves
    keys out that begin with an underscore.
    """
    copies: list[Celery] = []
    monkeypatch.setattr(flowforge.joining, "rejoin", copies.append)
    vars(app)["fixups"].add("flowforge.joining:rejoin")
    app.conf["__own__"] = {"a": 1}
    # What a task of the app is no part of: it cannot be pickled by its name here.
    copy = pickle.loads(pickle.dumps(app))  # noqa: S301 - pickled here
    assert copies == [copy]
    assert copy.conf["__own__"] == {"a": 1}
    assert "__own__" not in app.conf.humanize()


def frames() -> set[tuple[str, str]]:
    """Module and function of everything that has led here."""
    found, frame = set(), sys._getframe(1)
    while frame is not None:
        found.add((frame.f_globals.get("__name__", ""), frame.f_code.co_name))
        following: FrameType | None = frame.f_back
        if following is None:
            break
        frame = following
    return found


@pytest.mark.private_name("celery", "loaders.base.import_default_modules")
@pytest.mark.private_name("celery", "app.utils.find_app")
def test_a_module_that_celery_imports_is_imported_by_these(app: Celery) -> None:
    """They are found by name among the callers of what the module does."""
    seen: list[set[tuple[str, str]]] = []

    def importing(**_: Any) -> None:
        seen.append(frames())

    signals.import_modules.connect(importing, sender=app)
    app.loader.import_default_modules()
    assert ("celery.loaders.base", "import_default_modules") in seen[0]

    def load(name: str, imp: Any = None) -> Celery:
        seen.append(frames())
        return app

    assert find_app("somewhere", symbol_by_name=load) is app
    assert ("celery.app.utils", "find_app") in seen[1]


@pytest.mark.private_name("celery", "EventDispatcher.groups")
@pytest.mark.private_name("celery", "EventDispatcher.enabled")
def test_events_of_groups_that_are_not_asked_for_are_not_sent(app: Celery) -> None:
    """The group is the first word of an event's name; no groups at all means every one."""
    for groups, sent in (({"worker"}, 0), ({"task"}, 1), (set[str](), 1)):
        with app.connection_for_write() as connection:
            dispatcher = app.events.Dispatcher(connection, groups=groups, enabled=False)
            assert dispatcher.groups == groups
            assert not dispatcher.enabled
            dispatcher.enable()
            dispatcher.producer = producer = Mock()
            dispatcher.send("task-started")
            assert producer.publish.call_count == sent


@pytest.mark.private_name("celery", "app.events.dispatcher_cls")
@pytest.mark.private_name("celery", "EventDispatcher._outbound_buffer")
def test_events_that_are_not_taken_are_kept_by_the_class_that_is_named(app: Celery) -> None:
    """A heartbeat goes through its ``send``, with the wish to be repeated."""
    assert app.events.dispatcher_cls == Events.dispatcher_cls
    app.events.dispatcher_cls = f"{Deaf.__module__}:{Deaf.__qualname__}"
    with app.connection_for_write() as connection:
        dispatcher = app.events.Dispatcher(connection)
        assert isinstance(dispatcher, Deaf)
        dispatcher.producer = Mock(publish=Mock(side_effect=ConnectionError))
        heart = Heart(Mock(), dispatcher)
        heart.start()
        assert vars(dispatcher)["asked"] == [True]
        assert len(vars(dispatcher)["_outbound_buffer"]) == 1


class Deaf(EventDispatcher):
    """Repeats nothing."""

    def send(self, type: str, **fields: Any) -> Any:  # type: ignore[override]
        vars(self).setdefault("asked", []).append(fields["retry"])
        return super().send(type, **{**fields, "retry": False})


# --- pools -----------------------------------------------------------------------------


@pytest.mark.private_name("celery", "concurrency.base.apply_target")
def test_apply_target_runs_a_task_for_a_pool() -> None:
    """It says that the task was taken up, and gives its result to the callback."""
    said: list[Any] = []
    apply_target(
        lambda one, two: one + two, (1,), {"two": 2}, said.append, lambda pid, at: said.append("up")
    )
    assert said == ["up", 3]


class UnpicklableError(Exception):
    """Cannot be made again from its arguments."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one)
        self.lock = sys._getframe()


@pytest.mark.private_name("celery", "utils.serialization.get_pickleable_exception")
@pytest.mark.private_name("celery", "utils.serialization.get_pickled_exception")
@pytest.mark.private_name("celery", "utils.serialization.get_pickleable_etype")
def test_an_exception_that_cannot_be_pickled_is_wrapped() -> None:
    """What stands for it can be pickled; one that needs none is left as it is."""
    error = UnpicklableError("one", "two")
    sent = get_pickleable_exception(error)
    assert sent is not error
    arrived = pickle.loads(pickle.dumps(sent))  # noqa: S301 - pickled here
    assert "one" in str(get_pickled_exception(arrived))
    plain = ValueError("x")
    assert get_pickleable_exception(plain) is plain
    assert get_pickled_exception(plain) is plain
    assert get_pickleable_etype(ValueError) is ValueError
