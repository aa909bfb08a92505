"""When the thread that renews leases wakes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue
from time import perf_counter
from typing import Any

import pytest

from flowforge.store.transitions.answers import Answer
from flowforge.worker.run.leases import LeaseKeeper
from tests.support.eventually import eventually

#: Seconds between two heartbeats: longer than any test.
HEARTBEAT = 3600.0


@dataclass
class Holder:
    ends_at: float | None = None
    cancelled: bool = False


@dataclass
class Server:
    """Renews leases, except for lost ones."""

    beats: SimpleQueue[list[str]] = field(default_factory=SimpleQueue)
    lost: bool = False

    @property
    def invocations(self) -> Server:
        return self

    def heartbeat(self, lease_ms: int, leases: list[str]) -> list[Answer]:
        self.beats.put(leases)
        return [Answer.LOST if self.lost else Answer.OK] * len(leases)


class Event(threading.Event):
    """Notes for how long it is waited for."""

    waits: list[float]

    def wait(self, timeout: float | None = None) -> bool:
        # A thread's start is awaited by one as well.
        if timeout is not None:
            self.waits.append(timeout)
        return super().wait(timeout)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    monkeypatch.setattr(Event, "waits", [], raising=False)
    monkeypatch.setattr("flowforge.worker.run.leases.threading.Event", Event)
    return Event.waits


@pytest.fixture
def keeper_of() -> Iterator[Callable[[Any], LeaseKeeper]]:
    made: list[LeaseKeeper] = []

    def make(server: Any) -> LeaseKeeper:
        made.append(LeaseKeeper(server, 15.0, HEARTBEAT))
        return made[-1]

    yield make
    for one in made:
        one.close()


def add(keeper: LeaseKeeper, lease: str, holder: Holder) -> None:
    """As the runtime does."""
    keeper.add(lease, holder)
    if holder.ends_at is not None:
        keeper.look_at(holder.ends_at)


def test_attempts_without_a_timeout_cost_no_wake_up(
    waits: list[float], keeper_of: Callable[[Any], LeaseKeeper]
) -> None:
    """The thread sleeps until the next heartbeat, whatever is added meanwhile."""
    keeper = keeper_of(Server())
    keeper.add("j/1.0.0/t")
    eventually(lambda: bool(waits))
    for number in range(100):
        add(keeper, f"j/{number}.0.0/t", Holder())
        keeper.remove(f"j/{number}.0.0/t")
    assert len(waits) == 1
    assert waits[0] > HEARTBEAT - 60


def test_the_thread_wakes_when_the_time_of_an_attempt_is_over(
    waits: list[float], keeper_of: Callable[[Any], LeaseKeeper]
) -> None:
    """All leases are renewed then, and again, until the holder hears that its lease was taken."""
    server = Server()
    keeper = keeper_of(server)
    keeper.add("j/1.0.0/t", Holder())
    over = perf_counter() + 0.05
    later, holder = Holder(perf_counter() + 600), Holder(over)
    add(keeper, "j/2.0.0/t", later)
    add(keeper, "j/3.0.0/t", holder)
    # It ends later than what the thread wakes for.
    add(keeper, "j/4.0.0/t", later)
    assert server.beats.get(timeout=25) == [f"j/{number}.0.0/t" for number in (1, 2, 3, 4)]
    assert perf_counter() >= over
    server.lost = True
    server.beats.get(timeout=25)
    eventually(lambda: holder.cancelled)
    eventually(lambda: waits and waits[-1] > 500)


def test_more_time_is_looked_at_when_the_first_one_is_over(
    waits: list[float], keeper_of: Callable[[Any], LeaseKeeper]
) -> None:
    """Nothing is renewed for it by then."""
    server = Server()
    keeper = keeper_of(server)
    holder = Holder(perf_counter() + 0.2)
    add(keeper, "j/1.0.0/t", holder)
    holder.ends_at = perf_counter() + 600
    eventually(lambda: waits and waits[-1] > 500)
    assert server.beats.empty()


def test_a_keeper_that_is_closed_wakes_and_ends(keeper_of: Callable[[Any], LeaseKeeper]) -> None:
    """Its thread does not outlive the worker by a heartbeat."""
    before = set(threading.enumerate())
    keeper = keeper_of(Server())
    keeper.add("j/1.0.0/t")
    (thread,) = set(threading.enumerate()) - before
    keeper.close()
    thread.join(25)
    assert not thread.is_alive()
