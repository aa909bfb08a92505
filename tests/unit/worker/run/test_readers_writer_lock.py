"""The last delivery of an invocation runs without neighbours, with threads that await events."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from flowforge.worker.run.readers_writer_lock import ReadersWriterLock

#: Seconds until something that must happen counts as hanging.
LIMIT = 30.0


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@contextmanager
def neighbour(process_lock: ReadersWriterLock, threads: ThreadPoolExecutor) -> Iterator[None]:
    """Another thread that is inside meanwhile."""
    came, go = threading.Event(), threading.Event()

    def stay() -> None:
        with process_lock.shared():
            came.set()
            assert go.wait(LIMIT)

    staying = threads.submit(stay)
    assert came.wait(LIMIT)
    try:
        yield
    finally:
        go.set()
        staying.result(LIMIT)


def be_alone(process_lock: ReadersWriterLock, began: threading.Event, end: threading.Event) -> bool:
    with process_lock.shared(), process_lock.exclusive() as alone:
        began.set()
        assert end.wait(LIMIT)
        return alone


def test_one_that_has_no_neighbours_is_alone_at_once() -> None:
    """Processes that run one handler at a time never wait."""
    process_lock = ReadersWriterLock(patience=LIMIT)
    with process_lock.shared(), process_lock.exclusive() as alone:
        assert alone
        assert process_lock.closed
    assert not process_lock.closed


def test_it_waits_until_its_neighbours_have_left(threads: ThreadPoolExecutor) -> None:
    """Nothing runs beside it, and from its wish on nothing new is claimed."""
    process_lock = ReadersWriterLock(patience=LIMIT)
    began, end = threading.Event(), threading.Event()
    with neighbour(process_lock, threads):
        waiting: Future[bool] = threads.submit(be_alone, process_lock, began, end)
        while not process_lock.closed:
            assert not waiting.done()
        assert not began.is_set()
    assert began.wait(LIMIT)
    end.set()
    assert waiting.result(LIMIT)


def test_nobody_comes_in_while_one_is_alone(threads: ThreadPoolExecutor) -> None:
    """Newcomers claim only when it has ended."""
    process_lock = ReadersWriterLock(patience=LIMIT)
    began, end = threading.Event(), threading.Event()
    first = threads.submit(be_alone, process_lock, began, end)
    assert began.wait(LIMIT)

    def come_in() -> bool:
        with process_lock.shared():
            return end.is_set()

    newcomer = threads.submit(come_in)
    end.set()
    assert newcomer.result(LIMIT)
    assert first.result(LIMIT)


def test_two_cannot_be_alone(threads: ThreadPoolExecutor) -> None:
    """The second hears so at once, so that its invocation can go elsewhere; neither hangs."""
    process_lock = ReadersWriterLock(patience=LIMIT)
    with process_lock.shared():
        both = [threading.Event(), threading.Event()]
        end = threading.Event()
        end.set()
        first = threads.submit(be_alone, process_lock, both[0], end)
        while not process_lock.closed:
            assert not first.done()
        with process_lock.exclusive() as alone:
            assert not alone
    assert first.result(LIMIT)
    assert not process_lock.closed


def test_patience_ends(threads: ThreadPoolExecutor) -> None:
    """A neighbour that does not end cannot keep the invocation from running for ever."""
    process_lock = ReadersWriterLock(patience=0.01)
    with neighbour(process_lock, threads), process_lock.shared(), process_lock.exclusive() as alone:
        assert alone
