"""Pauses between the starts of a consumer."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from celery.bootsteps import CLOSE, RUN  # type: ignore[attr-defined]

from flowforge.worker.consuming import consumer as consumer_module
from flowforge.worker.consuming.consumer import LONGEST_PAUSE, SHORT, RestartBackoff
from tests.support.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(consumer_module, "time", made)
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
