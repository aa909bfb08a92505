"""How fast a count grows, as far as it was watched."""

from __future__ import annotations

from collections import deque

#: Seconds over which a rate is taken, or longer, until so many changes are in it.
WINDOW = 20.0
CHANGES = 5

#: Seconds before which there is no rate: the first changes say little.
_SETTLED = 2.0


class Rate:
    """The recent rate of a count that grows. ``at``: seconds of a clock that runs on."""

    def __init__(self) -> None:
        #: When the count was first seen as it was, the oldest first.
        self._seen: deque[tuple[float, int]] = deque()
        self._now = 0.0

    def add(self, at: float, count: int) -> None:
        """The count is so now. One that has become less begins again."""
        self._now = at
        if self._seen and count < self._seen[-1][1]:
            self._seen.clear()
        if not self._seen or count != self._seen[-1][1]:
            self._seen.append((at, count))
        while len(self._seen) > CHANGES + 1 and at - self._seen[1][0] >= WINDOW:
            self._seen.popleft()

    @property
    def per_second(self) -> float | None:
        """None before it was watched for long enough, and while nothing has changed."""
        if len(self._seen) < 2:
            return None
        (began, first), (_, latest) = self._seen[0], self._seen[-1]
        span = self._now - began
        return (latest - first) / span if span >= _SETTLED else None

    def left(self, count: int) -> float | None:
        """Seconds until so many more, if it goes on like this; None where there is no rate."""
        rate = self.per_second
        return None if rate is None else count / rate
