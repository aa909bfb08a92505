"""What a worker tells Celery's monitors while its server does not take it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from flowforge.worker.consuming import events
from flowforge.worker.consuming.events import NAME, PAUSE, UnretriedEvents
from tests.support.clock import Clock

HEARTBEAT = "worker-heartbeat"


class Producer:
    """Takes what it is given, or is cut off."""

    def __init__(self) -> None:
        self.tries: list[tuple[str, bool]] = []
        self.away = False

    def publish(self, event: dict[str, Any], *, retry: bool, **_: object) -> None:
        self.tries.append((event["type"], retry))
        if self.away:
            raise ConnectionError("away")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(events, "time", made)
    return made


@pytest.fixture
def producer() -> Producer:
    return Producer()


@pytest.fixture
def sender(clock: Clock, producer: Producer) -> Iterator[UnretriedEvents]:
    app = Celery("told", broker="memory://", set_as_current=False)
    app.events.dispatcher_cls = NAME
    with app.connection_for_write() as connection:
        made = app.events.Dispatcher(connection, hostname="w1")
        made.producer = producer
        yield made


def test_a_heartbeat_is_not_repeated(sender: UnretriedEvents, producer: Producer) -> None:
    """Celery asks for that, and would repeat it in the event loop for as long as it takes."""
    sender.send(HEARTBEAT, retry=True, freq=2.0)
    producer.away = True
    sender.send(HEARTBEAT, retry=True, freq=2.0)
    assert producer.tries == [(HEARTBEAT, False)] * 2


def test_a_worker_whose_server_is_away_tells_nothing_for_a_while(
    sender: UnretriedEvents, producer: Producer, clock: Clock
) -> None:
    """Each try would hold up the event loop again; events of tasks are others."""
    producer.away = True
    sender.send(HEARTBEAT)
    producer.away = False
    clock.now += PAUSE - 1
    sender.send(HEARTBEAT)
    sender.send("task-started")
    assert [said for said, _ in producer.tries] == [HEARTBEAT, "task-started"]
    clock.now += 2
    for _ in range(2):
        sender.send(HEARTBEAT)
    assert [said for said, _ in producer.tries[2:]] == [HEARTBEAT] * 2
