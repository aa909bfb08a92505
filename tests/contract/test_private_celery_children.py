"""Children of a prefork pool of Celery's that end as the worker's connection does."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.concurrency.prefork import TaskPool
from kombu.asynchronous import Hub

from flowforge.worker.consuming.exited_children import watch_again
from tests.support.eventually import eventually


@pytest.fixture
def pool() -> Iterator[Any]:
    app = Celery("stock", broker="memory://", set_as_current=False)
    pool: Any = TaskPool(1, app=app, threads=False, initargs=(app, "host"))
    pool.on_start()
    yield pool
    pool.on_terminate()


@pytest.mark.private_name("celery", "asynpool child._sentinel_poll")
def test_a_child_that_is_not_waited_for_yet_is_watched_again(
    pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool is given to the next event loop, which sees its end and replaces it."""
    (child,) = pool._pool._pool
    assert not hasattr(child, "_sentinel_poll")
    hub = Hub()
    pool.register_with_event_loop(hub)
    with monkeypatch.context() as patched:
        # As if the child could not be waited for when its descriptor was closed.
        patched.setattr(pool._pool, "maintain_pool", lambda: None)
        os.kill(child.pid, signal.SIGKILL)
        eventually(lambda: hub.run_once() or child._sentinel_poll is None)
    hub = Hub()
    watch_again(pool)
    pool.register_with_event_loop(hub)
    eventually(lambda: hub.run_once() or child not in pool._pool._pool)
    assert len(pool._pool._pool) == 1


def test_a_pool_without_children_has_none_to_watch() -> None:
    """Such as one of threads."""
    watch_again(object())
