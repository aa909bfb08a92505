"""Pauses between questions to a server that refuses."""

from __future__ import annotations

import pytest
from redis.exceptions import ReadOnlyError, ResponseError

from flowforge.broker import refusals as refusals_module
from flowforge.broker.refusals import Refusals
from tests.support.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(refusals_module, "time", made)
    return made


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
