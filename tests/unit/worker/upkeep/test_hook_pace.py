"""How often a hook is told of one cause, and when a failed attempt is made again."""

from __future__ import annotations

from flowforge.worker.upkeep.hook_pace import (
    FIRST_DELAY,
    FIRST_PAUSE,
    LONGEST_DELAY,
    LONGEST_PAUSE,
    MOST_ATTEMPTS,
    Pace,
    delay_after,
    rest_after,
)
from tests.support.clock import Clock


def test_the_first_is_told_at_once() -> None:
    """Of each cause."""
    pace = Pace(Clock().monotonic)
    pace.told("a")
    assert (pace.delay("a"), pace.delay("b")) == (FIRST_PAUSE, 0)


def test_a_cause_that_goes_on_is_told_less_and_less_often() -> None:
    """In a night of failures a hook is told of one cause about a hundred times."""
    clock = Clock()
    pace = Pace(clock.monotonic)
    told, end = 0, clock.now + 8 * 3600
    pauses = []
    while clock.now < end:
        pace.told("a")
        told += 1
        pauses.append(pace.delay("a"))
        clock.sleep(pace.delay("a"))
    assert pauses[:6] == [10, 20, 40, 80, 160, 300]
    assert max(pauses) == LONGEST_PAUSE
    assert told < 110


def test_a_cause_that_comes_back_is_told_at_once() -> None:
    """After a pause of twice the time it is new."""
    clock = Clock()
    pace = Pace(clock.monotonic)
    for _ in range(3):
        pace.told("a")
        clock.sleep(pace.delay("a"))
    clock.sleep(100)
    assert pace.delay("a") == 0
    pace.told("a")
    assert pace.delay("a") == FIRST_PAUSE


def test_causes_are_forgotten() -> None:
    """Memory is bounded; a cause that was told long ago goes first."""
    pace = Pace(Clock().monotonic)
    for number in range(1002):
        pace.told(str(number))
        pace.told("kept")
    assert (pace.delay("0"), pace.delay("1001") > 0, pace.delay("kept") > 0) == (0, True, True)


def test_attempts_go_on_for_half_a_day() -> None:
    """Behind a night in which a receiver is away, an event arrives by itself."""
    delays = [delay_after(attempt, 0, lambda: 0.5) for attempt in range(1, MOST_ATTEMPTS)]
    assert delays[:3] == [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY]
    assert max(delays) == LONGEST_DELAY
    assert 12 * 3600 < sum(delays) < 18 * 3600


def test_delays_differ() -> None:
    """So that what failed together is not tried together; a receiver may ask for more."""
    assert delay_after(1, 0, lambda: 0.0) == 0.8 * FIRST_DELAY
    assert delay_after(1, 0, lambda: 1.0) == 1.2 * FIRST_DELAY
    assert delay_after(1, 600) == 600
    assert delay_after(10**6, 0) <= 1.2 * LONGEST_DELAY


def test_a_hook_that_fails_rests_for_a_minute_at_most() -> None:
    """A receiver that comes back is told soon."""
    assert [rest_after(failures) for failures in (1, 2, 3, 10, 10**6)] == [1, 2, 4, 60, 60]
