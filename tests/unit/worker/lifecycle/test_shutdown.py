"""Signals end a worker when nothing is half done, and at once when that is wanted."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery.concurrency.solo import TaskPool as SoloPool
from celery.worker import state
from kombu.asynchronous import Hub
from kombu.asynchronous.semaphore import LaxBoundedSemaphore

from flowforge.worker.lifecycle import shutdown as leaving
from tests.support.eventually import eventually


class Worker:
    """As much of a worker as leaving touches: a real event loop, a semaphore, a pool's jobs."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.semaphore = LaxBoundedSemaphore(1)
        #: Job -> whether a child has taken it up.
        self.given: dict[int, bool] = {}
        self.pool: Any = SimpleNamespace(is_green=False, _pool=self)
        self.cancelled: list[str] = []
        self.consumer = SimpleNamespace(
            connection_errors=(),
            task_consumer=SimpleNamespace(cancel=lambda: self.cancelled.append("tasks")),
        )

    @property
    def _cache(self) -> dict[int, Any]:
        return {job: SimpleNamespace(accepted=lambda t=t: t) for job, t in self.given.items()}

    def turn(self) -> None:
        """One round of the event loop."""
        self.hub.run_once()


@pytest.fixture
def worker() -> Iterator[Worker]:
    found = Worker()
    yield found
    found.hub.close()


@pytest.fixture
def signals() -> Iterator[None]:
    """The process's own handlers are back afterwards."""
    kept = {number: signal.getsignal(number) for number in leaving._SIGNALS}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


class Handler:
    """One of Celery's: told apart by its name."""

    def __init__(self, name: str) -> None:
        self.__name__ = name
        self.calls: list[int] = []
        self.raises: Exception | None = None
        self.then: Callable[[], Any] = lambda: None

    def __call__(self, number: int, _: Any) -> None:
        self.calls.append(number)
        self.then()
        if self.raises:
            raise self.raises


@pytest.fixture
def install(signals: None, worker: Worker) -> Callable[..., Handler]:
    def install(number: int = signal.SIGTERM, name: str = "worker_Warm") -> Handler:
        handler = Handler(name)
        signal.signal(number, handler)
        leaving.defer_signals(worker)
        return handler

    return install


def test_a_handler_is_called_by_the_event_loop(
    worker: Worker, install: Callable[..., Handler]
) -> None:
    """Not where the signal strikes; before it, the worker takes no more."""
    warm = install()
    worker.semaphore.acquire(lambda: None)
    worker.semaphore.acquire(lambda: pytest.fail("begun in spite of the signal"))
    signal.raise_signal(signal.SIGTERM)
    assert warm.calls == []
    eventually(lambda: worker.turn() or warm.calls)
    assert warm.calls == [signal.SIGTERM]
    assert worker.cancelled == ["tasks"]
    worker.semaphore.release()


def test_a_handler_waits_for_what_is_on_its_way_to_a_child(
    worker: Worker, install: Callable[..., Handler]
) -> None:
    """A child that was never given its message, or not heard of, would be waited for in vain."""
    cold = install(signal.SIGQUIT, "worker_Cold")
    worker.given = {1: True, 2: False}
    signal.raise_signal(signal.SIGQUIT)
    eventually(lambda: worker.turn() or worker.cancelled)
    for _ in range(3):
        worker.turn()
    assert cold.calls == []
    worker.given[2] = True
    eventually(lambda: worker.turn() or cold.calls)


def test_a_child_that_takes_nothing_up_is_not_waited_for_for_ever(
    worker: Worker, install: Callable[..., Handler], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be gone, or stopped."""
    monkeypatch.setattr(leaving, "_TAKE_UP", 0.05)
    warm = install()
    worker.given = {1: False}
    signal.raise_signal(signal.SIGTERM)
    eventually(lambda: worker.turn() or warm.calls)


def test_a_second_signal_is_not_put_off(worker: Worker, install: Callable[..., Handler]) -> None:
    """Neither the same nor another; and nothing is called twice for it."""
    warm = install()
    worker.given = {1: False}
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    assert warm.calls == [signal.SIGTERM]
    worker.given = {}
    eventually(lambda: worker.turn() or worker.cancelled)
    worker.turn()
    assert warm.calls == [signal.SIGTERM]


def test_a_loop_that_does_not_turn_is_not_waited_for(
    worker: Worker, install: Callable[..., Handler], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the broker is away, nobody runs it: the process sends itself the signal again."""
    monkeypatch.setattr(leaving, "_TURN", 0.05)
    warm = install()
    os.kill(os.getpid(), signal.SIGTERM)
    eventually(lambda: warm.calls)
    assert warm.calls == [signal.SIGTERM]
    assert worker.cancelled == []


def test_handlers_of_others_are_left_alone(install: Callable[..., Handler]) -> None:
    """An app's own handler is its own affair."""
    own = install(name="own")
    assert signal.getsignal(signal.SIGTERM) is own


def test_a_pool_that_cannot_stop_its_tasks_does_not_break_the_loop(
    worker: Worker, install: Callable[..., Handler]
) -> None:
    """Celery's cold shutdown raises for threads what it could have asked."""
    cold = install(signal.SIGQUIT, "worker_Cold")
    cold.raises = NotImplementedError()
    signal.raise_signal(signal.SIGQUIT)
    eventually(lambda: worker.turn() or cold.calls)


def test_a_solo_worker_ends_with_its_task(
    worker: Worker, install: Callable[..., Handler], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cold shutdown must not raise into the routine that it interrupts."""
    monkeypatch.setattr(state, "should_terminate", None)
    monkeypatch.setattr(state, "active_requests", {"a task"})
    exits: list[int] = []
    monkeypatch.setattr(os, "_exit", exits.append)
    worker.pool = SoloPool.__new__(SoloPool)
    cold = install(signal.SIGQUIT, "worker_Cold")
    signal.raise_signal(signal.SIGQUIT)
    assert (cold.calls, state.should_terminate, exits) == ([], 1, [])
    signal.raise_signal(signal.SIGQUIT)
    assert (cold.calls, exits) == ([], [1])
    monkeypatch.setattr(state, "active_requests", set())
    signal.raise_signal(signal.SIGQUIT)
    assert cold.calls == [signal.SIGQUIT]


def test_the_second_interrupt_of_a_solo_worker_is_a_cold_one(
    worker: Worker, install: Callable[..., Handler], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one installs Celery's handler for it, which then is replaced as well."""
    monkeypatch.setattr(state, "should_terminate", None)
    monkeypatch.setattr(state, "active_requests", {"a task"})
    worker.pool = SoloPool.__new__(SoloPool)
    warm, cold = install(signal.SIGINT), Handler("worker_Cold")
    warm.then = lambda: signal.signal(signal.SIGINT, cold)
    signal.raise_signal(signal.SIGINT)
    assert warm.calls == [signal.SIGINT]
    signal.raise_signal(signal.SIGINT)
    assert (cold.calls, state.should_terminate) == ([], 1)


def test_an_interrupt_during_the_first_one_is_put_off(
    worker: Worker, install: Callable[..., Handler], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between Celery's new handler and its replacement a signal would raise into the routine."""
    monkeypatch.setattr(state, "should_terminate", None)
    monkeypatch.setattr(state, "active_requests", {"a task"})
    worker.pool = SoloPool.__new__(SoloPool)
    warm, cold = install(signal.SIGINT), Handler("worker_Cold")

    def press_again() -> None:
        signal.signal(signal.SIGINT, cold)
        signal.raise_signal(signal.SIGINT)

    warm.then = press_again
    signal.raise_signal(signal.SIGINT)
    assert warm.calls == [signal.SIGINT]
    assert (cold.calls, state.should_terminate) == ([], 1)


def test_greenlets_are_not_taken_for_it(worker: Worker, install: Callable[..., Handler]) -> None:
    """A cold shutdown gets a greenlet of its own; a warm one only sets a flag."""
    spawned: list[tuple[Any, ...]] = []
    worker.pool = SimpleNamespace(is_green=True, spawn_n=lambda *call: spawned.append(call))
    warm = install()
    signal.raise_signal(signal.SIGTERM)
    assert warm.calls == [signal.SIGTERM]
    cold = install(signal.SIGQUIT, "worker_Cold")
    signal.raise_signal(signal.SIGQUIT)
    assert (cold.calls, worker.cancelled) == ([], [])
    ((leave, *arguments),) = spawned
    leave(*arguments)
    assert (cold.calls, worker.cancelled) == ([signal.SIGQUIT], ["tasks"])
