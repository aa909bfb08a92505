"""How often a hook gets events of the same cause, and when an attempt that failed is made again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

#: Seconds between two events of one cause: the first pause, which doubles while the cause goes on,
#: and the longest one.
FIRST_PAUSE = 10.0
LONGEST_PAUSE = 300.0

#: Causes that are remembered.
_CAUSES = 1000

#: Attempts at one delivery, and seconds between them: the first doubles up to the longest. The
#: last attempt comes about 15 hours behind the first one.
MOST_ATTEMPTS = 24
FIRST_DELAY = 5.0
LONGEST_DELAY = 3600.0

#: By which part of it a delay may be longer or shorter, so that what failed together is not tried
#: together.
_JITTER = 0.2

#: Seconds for which a hook rests after an attempt that failed, at most, whatever waits for it.
LONGEST_REST = 60.0


class Pace:
    """The first event of a cause is told at once; those that follow soon are told together."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: Cause -> when it was last told, and the pause behind that.
        self._told: dict[str, tuple[float, float]] = {}

    def delay(self, cause: str) -> float:
        """Seconds until the cause is told again."""
        last, pause = self._told.get(cause) or (0.0, 0.0)
        return max(0.0, last + pause - self._clock())

    def told(self, cause: str) -> None:
        """The cause is told now."""
        now = self._clock()
        last, pause = self._told.get(cause) or (0.0, 0.0)
        goes_on = pause and now - last < 2 * pause
        following = min(2 * pause, LONGEST_PAUSE) if goes_on else FIRST_PAUSE
        # The one that was told last comes last.
        self._told.pop(cause, None)
        self._told[cause] = (now, following)
        if len(self._told) > _CAUSES:
            del self._told[next(iter(self._told))]


def delay_after(attempt: int, asked: float, chance: Callable[[], float] = random.random) -> float:
    """Seconds from an attempt that failed to the next; ``asked``: what the receiver asks for."""
    delay = min(FIRST_DELAY * 2.0 ** min(attempt - 1, 20), LONGEST_DELAY)
    return max(asked, delay * (1 + _JITTER * (2 * chance() - 1)))


def rest_after(failures: int) -> float:
    """Seconds for which a hook rests after so many attempts in a row have failed."""
    return min(2.0 ** min(failures - 1, 10), LONGEST_REST)
