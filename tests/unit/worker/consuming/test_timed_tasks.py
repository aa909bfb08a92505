"""Attempts with a timeout are looked at when their time may be over, and not kept for longer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from flowforge.worker.consuming import timed_tasks
from flowforge.worker.consuming.timed_tasks import LONGEST, TimedTasks


class Loop:
    """An event loop whose time the test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Callable[..., object], tuple[float]]] = []

    def call_after(
        self, seconds: float, function: Callable[..., object], arguments: tuple[float]
    ) -> None:
        self.timers.append((self.now + seconds, function, arguments))

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while due := sorted(timer for timer in self.timers if timer[0] <= until):
            self.now, function, arguments = due[0]
            self.timers.remove(due[0])
            function(*arguments)
        self.now = until


@dataclass(eq=False)
class Task:
    """``again``: what its looks answer."""

    loop: Loop
    again: list[float | None] = field(default_factory=lambda: [None])
    is_running: bool = True
    looks: list[float] = field(default_factory=list)

    def look_at_time(self) -> float | None:
        self.looks.append(self.loop.now)
        return self.again.pop(0)


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    made = Loop()
    monkeypatch.setattr(timed_tasks, "monotonic", lambda: made.now)
    return made


@pytest.fixture
def watched(loop: Loop) -> TimedTasks:
    return TimedTasks(loop.call_after)


def test_each_is_looked_at_when_its_time_may_be_over(loop: Loop, watched: TimedTasks) -> None:
    """Whatever the order in which they begin; and again when it asks for it."""
    slow, fast, more = Task(loop), Task(loop), Task(loop, [2.0, None])
    watched.watch(slow, 12.0)
    watched.watch(fast, 0.5)
    watched.watch(more, 3.0)
    loop.advance(20.0)
    assert [task.looks for task in (slow, fast, more)] == [[112.0], [100.5], [103.0, 105.0]]
    assert (len(watched), loop.timers) == (0, [])


def test_what_has_ended_is_not_kept(loop: Loop, watched: TimedTasks) -> None:
    """However long it might have taken: a worker runs thousands of them in that time."""
    for _ in range(3):
        for _ in range(1000):
            watched.watch(Task(loop, is_running=False), 3600.0)
        loop.advance(LONGEST)
        assert (len(watched), loop.timers) == (0, [])


def test_there_are_few_timers(loop: Loop, watched: TimedTasks) -> None:
    """What was planned before is void, and is not planned again."""
    watched.watch(Task(loop), 3600.0)
    for _ in range(100):
        watched.watch(Task(loop), 0.3)
        loop.advance(1.0)
    assert len(watched) == 1
    assert len(loop.timers) <= 2 * LONGEST


def test_a_look_that_fails_is_made_again(
    loop: Loop, watched: TimedTasks, caplog: pytest.LogCaptureFixture
) -> None:
    """And keeps nothing from the others."""
    broken, other = Task(loop, []), Task(loop)
    watched.watch(broken, 1.0)
    watched.watch(other, 1.0)
    loop.advance(2.0)
    assert other.looks == [101.0]
    assert "could not end the process" in caplog.text
    broken.again.append(None)
    loop.advance(LONGEST)
    assert broken.looks == [101.0, 101.0 + LONGEST]
    assert len(watched) == 0
