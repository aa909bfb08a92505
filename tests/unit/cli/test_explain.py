"""What the command line says of the times of a finding."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flowforge.cli.explain import time_and_distance


@pytest.mark.parametrize(
    ("hours", "dated"), [(1, False), (-1, False), (23, True), (-23, True), (30, True)]
)
def test_a_time_that_is_far_has_its_date(hours: int, dated: bool) -> None:
    """Nearly a day away, a clock alone reads like one of just now."""
    at = datetime.now(UTC) + timedelta(hours=hours)
    assert time_and_distance(at).startswith(at.astimezone().strftime("%Y-%m-%d ")) is dated
