"""Ending a worker at a moment at which nothing is half done.

Celery acts on a signal where it strikes. A cold shutdown, the soft one's end as well, runs whole in
the signal handler: when that interrupts the hand-over of a message to a child process, the parent
hangs on a child that never got it; in a pool of greenlets it takes the greenlet that it
interrupts, which may be a routine's; in a solo worker it raises its errors into the routine. A warm
shutdown forgets messages that a child was given and has not answered yet; that child then waits
30 s for its result to be read.

Here Celery's handlers are called by the event loop, once nothing is on its way to a child any more
and nothing new can follow.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from celery.concurrency.solo import TaskPool as SoloPool
from celery.platforms import EX_FAILURE
from celery.worker import state
from kombu.exceptions import OperationalError

#: What Celery calls the handlers that end a worker.
_WARM, _COLD = "worker_Warm", "worker_Cold"

#: Those of them that this platform has.
_SIGNALS = [getattr(signal, n) for n in ("SIGTERM", "SIGQUIT", "SIGINT") if hasattr(signal, n)]

#: Seconds that the event loop has to come by. It does not turn while the broker is away.
_TURN = 2.0

#: Seconds that the children have to take up what they were given, and between two looks.
_TAKE_UP = 5.0
_LOOK = 0.01

#: A signal handler, and what makes another one of it.
_Handler = Callable[[int, Any], None]
_Wrap = Callable[[_Handler], _Handler]


def defer_signals(worker: Any) -> None:
    """Put off what Celery does on a signal. To be called when it has installed its handlers.

    A second signal is not put off.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if worker.pool.is_green:
        _replace_cold(lambda handler: _in_a_greenlet(worker, handler))
    elif isinstance(worker.pool, SoloPool):
        _replace_cold(_after_the_task)
    elif worker.hub is not None:
        deferred = _Deferred(worker)
        _replace(_WARM, deferred.deferring)
        _replace(_COLD, deferred.deferring)


def _replace(name: str, wrap: _Wrap) -> None:
    for number in _SIGNALS:
        handler = signal.getsignal(number)
        if callable(handler) and getattr(handler, "__name__", "") == name:
            signal.signal(number, wrap(handler))


@contextlib.contextmanager
def _signals_put_off() -> Iterator[None]:
    """Keep the signals that end a worker until a handler is as it has to be."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _replace_cold(wrap: _Wrap) -> None:
    """Cold handlers alone, also that which the first Ctrl-C, a warm one, puts in its own place."""

    def then_replace(handler: _Handler) -> _Handler:
        def warm(number: int, frame: Any) -> None:
            with _signals_put_off():
                handler(number, frame)
                _replace(_COLD, wrap)

        return warm

    _replace(_COLD, wrap)
    _replace(_WARM, then_replace)


def _in_a_greenlet(worker: Any, handler: _Handler) -> _Handler:
    def leave(number: int, frame: Any) -> None:
        _stop_consuming(worker)
        handler(number, frame)

    return lambda number, frame: worker.pool.spawn_n(leave, number, frame)


def _after_the_task(handler: _Handler) -> _Handler:
    """For a solo worker, whose task nothing but the task itself can stop."""

    def cold(number: int, frame: Any) -> None:
        if not state.active_requests:
            handler(number, frame)
        elif state.should_terminate is None:
            # Not by way of a log or a file object: the signal may have interrupted just those.
            os.write(
                2, b"worker: ends when its task has ended; a second signal cuts the task off\n"
            )
            vars(state)["should_terminate"] = EX_FAILURE
        else:
            # As if the machine had failed: the invocation's lease expires.
            os._exit(EX_FAILURE)

    return cold


def _stop_consuming(worker: Any) -> None:
    """What was fetched and has not begun goes back to the server when the connection ends."""
    consumer = worker.consumer
    for name in ("task_consumer", "flowforge_other_shards"):
        tasks = getattr(consumer, name, None)
        if tasks is not None:
            with contextlib.suppress(OperationalError, *consumer.connection_errors):
                tasks.cancel()
    if worker.semaphore is not None:
        worker.semaphore.clear()


class _Deferred:
    """Calls a signal's handler from the event loop of a worker."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        #: The handler that waits to be called, with its arguments.
        self._waiting: tuple[_Handler, int, Any] | None = None
        self._signalled = False
        self._turned, self._done = threading.Event(), threading.Event()

    def deferring(self, handler: _Handler) -> _Handler:
        """A signal handler that does what `handler` does, later."""

        def put_off(number: int, frame: Any) -> None:
            if self._signalled:
                # A second one is impatience, or says that the event loop does not turn.
                self._waiting = None
                handler(number, frame)
                return
            self._signalled = True
            self._waiting = (handler, number, frame)
            # What the signal interrupts may hold the hub's lock, or that with which a Thread
            # enters the list of threads; from a bare one the hub is also woken up.
            _thread.start_new_thread(self._schedule, (number,))

        return put_off

    def _schedule(self, number: int) -> None:
        self._worker.hub.call_soon(self._begin)
        # The connection may break, and with it the loop end, before it comes to the handler.
        if not (self._turned.wait(_TURN) and self._done.wait(_TAKE_UP + _TURN)) and self._waiting:
            os.kill(os.getpid(), number)

    def _begin(self) -> None:
        self._turned.set()
        _stop_consuming(self._worker)
        self._call_handler(time.monotonic() + _TAKE_UP)

    def _call_handler(self, until: float) -> None:
        if self._waiting is None:
            return
        if self._has_unaccepted_jobs() and time.monotonic() < until:
            self._worker.hub.call_later(_LOOK, self._call_handler, until)
            return
        (handler, *arguments), self._waiting = self._waiting, None
        self._done.set()
        # Celery does not ask whether the pool can stop a task; threads cannot.
        with contextlib.suppress(NotImplementedError):
            handler(*arguments)

    def _has_unaccepted_jobs(self) -> bool:
        """Whether something was given to the pool of processes that no child has taken up yet."""
        pool = getattr(self._worker.pool, "_pool", None)
        given = getattr(pool, "_cache", {})
        return any(not job.accepted() for job in list(given.values()))
