"""How long a wait lasts."""

from __future__ import annotations

import math

import pytest

from flowforge.engine.waiting.patience import Deadline

LOOK = 5.0


@pytest.mark.parametrize("timeout", [None, math.inf])
def test_a_wait_without_a_timeout_is_never_over(timeout: float | None) -> None:
    """It looks again all the same."""
    assert Deadline(timeout).left(LOOK) == LOOK


def test_a_wait_is_over_after_its_timeout() -> None:
    """What is left of it bounds each look."""
    assert 0 < Deadline(2.0).left(LOOK) <= 2.0
    assert Deadline(0.0).left(LOOK) <= 0
    assert Deadline(-1.0).left(LOOK) <= -1.0
