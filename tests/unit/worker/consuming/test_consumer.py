"""Pauses: between the starts of a consumer, and between questions to a server that refuses."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from celery.bootsteps import CLOSE, RUN  # type: ignore[attr-defined]
from redis.exceptions import ReadOnlyError, ResponseError

from flowforge.broker import refusals as refusals_module
from flowforge.broker.refusals import Refusals
from flowforge.worker.consuming import consumer as consumer_module
from flowforge.worker.consuming.consumer import LONGEST_PAUSE, SHORT, RestartBackoff


class Clock:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(consumer_module, "time", made)
    monkeypatch.setattr(refusals_module, "time", made)
    return made


def consumer(state: int) -> SimpleNamespace:
    return SimpleNamespace(blueprint=SimpleNamespace(state=state), steps=[])


def paused(clock: Clock, backoff: RestartBackoff, lasted: float, state: int = RUN) -> float:
    """Seconds that the consumer waits after a connection that lasted so long."""
    clock.now += lasted
    before = clock.now
    backoff.stop(consumer(state))
    return clock.now - before


def test_a_consumer_whose_connections_do_not_last_pauses(clock: Clock) -> None:
    """Longer and longer; not after a connection that lasted, and not at the end of the worker."""
    backoff = RestartBackoff(consumer(RUN))
    pauses = [paused(clock, backoff, 0.0) for _ in range(4)]
    assert pauses == pytest.approx([0.5, 1.0, LONGEST_PAUSE, LONGEST_PAUSE], abs=0.15)
    assert paused(clock, backoff, SHORT) == 0
    assert paused(clock, backoff, 0.0, CLOSE) == 0


def test_a_server_that_refuses_is_asked_with_pauses(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """The first refusal is told with what to do, and the first answer after it."""
    refusals = Refusals()
    assert refusals.over
    waited = []
    for _ in range(6):
        refusals.refused(ReadOnlyError("You can't write against a read only replica."))
        began = clock.now
        while not refusals.over:
            clock.sleep(0.25)
        waited.append(clock.now - began)
    assert waited == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "is a replica and takes no writes; give the address of the primary" in caplog.text
    refusals.answered()
    refusals.answered()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    refusals.refused(ResponseError("WRONGTYPE"))
    assert "refuses (WRONGTYPE)" in caplog.text
