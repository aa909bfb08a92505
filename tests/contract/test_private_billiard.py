"""Private names of billiard that FlowForge uses: they exist, and do what it relies on."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from billiard.einfo import ExceptionInfo, ExceptionWithTraceback  # type: ignore[attr-defined]
from billiard.exceptions import TimeLimitExceeded
from celery import Celery
from celery.concurrency.prefork import TaskPool

from tests.support.eventually import eventually


@pytest.mark.private_name("celery", "prefork.TaskPool._pool")
@pytest.mark.private_name("billiard", "Pool._cache")
@pytest.mark.private_name("billiard", "ApplyResult.accepted")
def test_the_cache_of_a_pool_has_what_no_child_has_finished(tmp_path: Path) -> None:
    """``accepted()`` tells what a child has taken up; what has ended leaves the cache."""
    app = Celery("stock", broker="memory://", set_as_current=False)
    pool: Any = TaskPool(1, app=app, threads=True, initargs=(app, "host"))
    pool.on_start()
    try:
        gate = tmp_path / "gate"
        os.mkfifo(gate)
        first = pool.on_apply(Path.read_text, (gate,))
        second = pool.on_apply(os.getpid)
        assert set(pool._pool._cache.values()) == {first, second}
        eventually(first.accepted)
        assert not second.accepted()
        gate.write_text("go")
        eventually(second.accepted)
        eventually(lambda: not pool._pool._cache)
    finally:
        pool.on_terminate()


@pytest.mark.private_name("billiard", "Pool._timeout_handler")
@pytest.mark.private_name("billiard", "ApplyResult._timeout")
def test_a_pool_ends_a_process_as_at_a_hard_limit(tmp_path: Path) -> None:
    """The task ends with the limit that its result has, and its process ends."""
    app = Celery("stock", broker="memory://", set_as_current=False)
    pool: Any = TaskPool(1, app=app, threads=True, initargs=(app, "host"))
    pool.on_start()
    try:
        gate = tmp_path / "gate"
        os.mkfifo(gate)
        told: list[Any] = []
        result = pool.on_apply(Path.read_text, (gate,), error_callback=told.append)
        eventually(result.accepted)
        (pid,) = result.worker_pids()
        result._timeout = 2.5
        pool._pool._timeout_handler.on_hard_timeout(result)
        (info,) = told
        assert isinstance(info.exception.exc, TimeLimitExceeded)
        assert info.exception.exc.args[0] == 2.5
        eventually(lambda: not Path(f"/proc/{pid}").exists())
    finally:
        pool.on_terminate()


@pytest.mark.private_name("billiard", "einfo.ExceptionInfo.exception")
@pytest.mark.private_name("billiard", "einfo.ExceptionWithTraceback.exc")
def test_an_exception_info_holds_the_exception() -> None:
    """As it is or in a wrapper that pickles with its traceback as text; either can be replaced."""
    error = ValueError("x")
    try:
        raise error
    except ValueError:
        info = ExceptionInfo()
    found = info.exception
    assert (found.exc if isinstance(found, ExceptionWithTraceback) else found) is error
    wrapped = ExceptionWithTraceback(error, "the lines")
    assert wrapped.exc is error
    arrived = pickle.loads(pickle.dumps(wrapped))  # noqa: S301 - pickled here
    assert repr(arrived) == repr(error)
    info.exception = other = KeyError("y")
    assert info.exception is other


@pytest.mark.private_name("billiard", "TimeLimitExceeded.args")
def test_the_first_argument_of_a_time_limit_is_the_limit() -> None:
    """Seconds, as the pool has raised it."""
    assert TimeLimitExceeded(2.5).args[0] == 2.5
