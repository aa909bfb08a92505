"""How fast a count grows."""

from __future__ import annotations

import pytest

from flowforge.common.rate import CHANGES, WINDOW, Rate


def watched(*seen: tuple[float, int]) -> Rate:
    rate = Rate()
    for at, count in seen:
        rate.add(at, count)
    return rate


def test_a_steady_count_has_its_rate() -> None:
    """And the time until so many more."""
    rate = watched(*((at / 4, 3 * at) for at in range(41)))
    assert rate.per_second == pytest.approx(12)
    assert rate.left(60) == pytest.approx(5)


def test_the_recent_past_counts() -> None:
    """What was faster long ago says nothing of what is left."""
    fast = [(float(at), 100 * at) for at in range(60)]
    slow = [(60.0 + at, 6000 + 2 * at) for at in range(round(WINDOW) + 2)]
    assert watched(*fast, *slow).per_second == pytest.approx(2, rel=0.05)


def test_a_slow_count_is_watched_for_longer() -> None:
    """Until enough has changed."""
    rate = watched(*((60.0 * at, at) for at in range(CHANGES + 1)))
    assert rate.per_second == pytest.approx(1 / 60)


def test_a_count_that_stands_becomes_slower() -> None:
    """The time in which nothing comes counts."""
    rate = watched((0.0, 0), (10.0, 10), (40.0, 10))
    assert rate.per_second == pytest.approx(0.25)


@pytest.mark.parametrize("seen", [[], [(0.0, 5)], [(0.0, 5), (60.0, 5)], [(0.0, 0), (1.0, 50)]])
def test_there_is_no_rate_too_early(seen: list[tuple[float, int]]) -> None:
    """Nor where nothing has changed; so no time left either."""
    rate = watched(*seen)
    assert rate.per_second is None
    assert rate.left(1) is None


def test_a_count_that_became_less_begins_anew() -> None:
    """A job of a server that was restored, for example."""
    assert watched((0.0, 0), (5.0, 500), (6.0, 10)).per_second is None
