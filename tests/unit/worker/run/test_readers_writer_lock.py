"""The last delivery of an invocation runs without neighbours, with threads that await events."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from flowforge.worker.run.readers_writer_lock import Isolation

#: Seconds until something that must happen counts as hanging.
LIMIT = 30.0


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@contextmanager
def neighbour(isolation: Isolation, threads: ThreadPoolExecutor) -> Iterator[None]:
    """Another thread that is inside meanwhile."""
    came, go = threading.Event(), threading.Event()

    def stay() -> None:
        with isolation.inside():
            came.set()
            assert go.wait(LIMIT)

    staying = threads.submit(stay)
    assert came.wait(LIMIT)
    try:
        yield
    finally:
        go.set()
        staying.result(LIMIT)


def be_alone(isolation: Isolation, began: threading.Event, end: threading.Event) -> bool:
    with isolation.inside(), isolation.alone() as alone:
        began.set()
        assert end.wait(LIMIT)
        return alone


def test_one_that_has_no_neighbours_is_alone_at_once() -> None:
    """Processes that run one handler at a time never wait."""
    isolation = Isolation(patience=LIMIT)
    with isolation.inside(), isolation.alone() as alone:
        assert alone
        assert isolation.closed
    assert not isolation.closed


def test_it_waits_until_its_neighbours_have_left(threads: ThreadPoolExecutor) -> None:
    """Nothing runs beside it, and from its wish on nothing new is claimed."""
    isolation = Isolation(patience=LIMIT)
    began, end = threading.Event(), threading.Event()
    with neighbour(isolation, threads):
        waiting: Future[bool] = threads.submit(be_alone, isolation, began, end)
        while not isolation.closed:
            assert not waiting.done()
        assert not began.is_set()
    assert began.wait(LIMIT)
    end.set()
    assert waiting.result(LIMIT)


def test_nobody_comes_in_while_one_is_alone(threads: ThreadPoolExecutor) -> None:
    """Newcomers claim only when it has ended."""
    isolation = Isolation(patience=LIMIT)
    began, end = threading.Event(), threading.Event()
    first = threads.submit(be_alone, isolation, began, end)
    assert began.wait(LIMIT)

    def come_in() -> bool:
        with isolation.inside():
            return end.is_set()

    newcomer = threads.submit(come_in)
    end.set()
    assert newcomer.result(LIMIT)
    assert first.result(LIMIT)


def test_two_cannot_be_alone(threads: ThreadPoolExecutor) -> None:
    """The second hears so at once, so that its invocation can go elsewhere; neither hangs."""
    isolation = Isolation(patience=LIMIT)
    with isolation.inside():
        both = [threading.Event(), threading.Event()]
        end = threading.Event()
        end.set()
        first = threads.submit(be_alone, isolation, both[0], end)
        while not isolation.closed:
            assert not first.done()
        with isolation.alone() as alone:
            assert not alone
    assert first.result(LIMIT)
    assert not isolation.closed


def test_patience_ends(threads: ThreadPoolExecutor) -> None:
    """A neighbour that does not end cannot keep the invocation from running for ever."""
    isolation = Isolation(patience=0.01)
    with neighbour(isolation, threads), isolation.inside(), isolation.alone() as alone:
        assert alone
