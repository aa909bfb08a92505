"""How often a fleet is looked at."""

from __future__ import annotations

import time

import pytest

from flowforge.engine.look_pace import LookPace


@pytest.mark.parametrize(("took", "delay"), [(0.0, 1.0), (0.05, 1.0), (0.5, 5.0), (60.0, 15.0)])
def test_a_slow_server_is_looked_at_less_often(
    monkeypatch: pytest.MonkeyPatch, took: float, delay: float
) -> None:
    """Ten times as long as a look took, from one second to fifteen."""
    clock = iter([100.0, 100.0 + took])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    pace = LookPace([])
    pace.begin()
    pace.end()
    assert pace.delay == pytest.approx(delay)
