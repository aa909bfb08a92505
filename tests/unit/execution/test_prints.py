"""Prints of handlers reach a worker's log in whole lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from flowforge.execution.attempt import Attempt
from flowforge.execution.current import current
from flowforge.execution.prints import WholeLines, end_lines, unfinished


class Stream:
    """Keeps each write by itself, as Celery's redirection logs it."""

    mode = "w"

    def __init__(self) -> None:
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return len(text)

    def flush(self) -> None:
        """Nothing waits."""


class Running(Attempt):
    def __init__(self) -> None:
        self.closed = False


@contextmanager
def handler() -> Iterator[Attempt]:
    """An attempt that runs here."""
    attempt = Running()
    token = current.set(attempt)
    try:
        yield attempt
    finally:
        end_lines(attempt)
        attempt.closed = True
        current.reset(token)


@pytest.fixture
def stream() -> Iterator[Stream]:
    yield Stream()
    assert unfinished == {}


def test_a_print_of_several_values_is_one_line(stream: Stream) -> None:
    with handler():
        print("order", 7, "is\npaid", file=WholeLines(stream))
        print(file=WholeLines(stream))
    assert stream.writes == ["order 7 is", "paid"]


def test_a_line_ends_with_a_flush_and_with_the_handler(stream: Stream) -> None:
    lines = WholeLines(stream)
    with handler():
        print("half", end="", file=lines)
        assert stream.writes == []
        print(" done", end="", file=lines, flush=True)
        assert stream.writes == ["half done"]
        print("rest", end="", file=lines)
        lines.writelines([" of", " it"])
    assert stream.writes[1:] == ["rest of it"]


def test_attempts_beside_each_other_have_lines_of_their_own(stream: Stream) -> None:
    lines = WholeLines(stream)
    with handler():
        lines.write("outer ")
        with handler():
            lines.write("inner")
        lines.write("line\n")
    assert stream.writes == ["inner", "outer line"]


def test_what_others_print_passes(stream: Stream) -> None:
    lines = WholeLines(stream)
    print("a", "b", file=lines)
    assert stream.writes == ["a", " ", "b", "\n"]
    assert lines.mode == "w"


def test_a_line_without_end_is_written_in_parts(stream: Stream) -> None:
    """It does not fill the worker's memory."""
    with handler():
        for _ in range(3):
            WholeLines(stream).write("x" * 70_000)
    assert [len(text) for text in stream.writes] == [70_001] * 3
