"""How long a wait lasts."""

from __future__ import annotations

import math

import pytest

from flowforge.engine import wait


@pytest.mark.parametrize("timeout", [None, math.inf])
def test_a_wait_without_a_timeout_is_never_over(timeout: float | None) -> None:
    """It looks again all the same."""
    assert wait._Deadline(timeout).left(wait.LOOK_AGAIN) == wait.LOOK_AGAIN


def test_a_wait_is_over_after_its_timeout() -> None:
    """What is left of it bounds each look."""
    assert 0 < wait._Deadline(2.0).left(wait.LOOK_AGAIN) <= 2.0
    assert wait._Deadline(0.0).left(wait.LOOK_AGAIN) <= 0
    assert wait._Deadline(-1.0).left(wait.LOOK_AGAIN) <= -1.0
