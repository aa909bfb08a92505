"""When a worker's main process looks at attempts that have a timeout.

The event loop keeps a timer until its time has come, with all that it holds. One for each attempt
would keep the messages of all that an hour brings, so there is one for all.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from time import monotonic
from typing import Protocol

logger = logging.getLogger(__name__)

#: Seconds between two looks while there are such attempts: until then one that has ended is kept.
LONGEST = 5.0


class Timed(Protocol):
    """A task in a process of the pool."""

    @property
    def is_running(self) -> bool: ...

    def look_at_time(self) -> float | None:
        """Called when its time may be over; seconds until the next look, or None for none."""


class TimedTasks:
    """``call_after``: calls a function with arguments after so many seconds, in the event loop."""

    def __init__(self, call_after: Callable[[float, Callable[..., object], tuple[float]], object]):
        self._call_after = call_after
        self._looks: dict[Timed, float] = {}
        #: When the next look is; what was planned before is void.
        self._planned = math.inf

    def __len__(self) -> int:
        return len(self._looks)

    def watch(self, task: Timed, seconds: float) -> None:
        """Look at a task in so many seconds, if it still runs then."""
        self._looks[task] = at = monotonic() + seconds
        self._plan(at)

    def _plan(self, at: float) -> None:
        now = monotonic()
        at = min(max(at, now), now + LONGEST)
        if at < self._planned:
            self._planned = at
            self._call_after(at - now, self._look, (at,))

    def _look(self, planned: float) -> None:
        if planned != self._planned:
            return
        self._planned = math.inf
        for task, at in list(self._looks.items()):
            if not task.is_running:
                del self._looks[task]
            elif at <= monotonic():
                del self._looks[task]
                self._look_at(task)
        if self._looks:
            self._plan(min(self._looks.values()))

    def _look_at(self, task: Timed) -> None:
        try:
            again = task.look_at_time()
        except Exception:
            # The upkeep ends the attempt all the same.
            logger.exception("could not end the process of an attempt whose time is over")
            again = LONGEST
        if again is not None:
            self._looks[task] = monotonic() + again
