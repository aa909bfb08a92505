"""A server that answers, but refuses to give messages: asked again, with growing pauses.

A replica, a server that must not write (no replicas, a full disk, a failed save), a missing right:
the connection is good and the answer an error. To a consumer it is as if no message had come.
"""

from __future__ import annotations

import logging
import time

from flowforge.store.server.outage import outage_of

logger = logging.getLogger(__name__)

#: Seconds until a server that has refused is asked again: at first, and at most. A worker begins so
#: long after the server serves again.
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 2.0


class Refusals:
    """Those of one server, from the first to the next answer."""

    def __init__(self) -> None:
        self._pause = 0.0
        self._until = 0.0

    def refused(self, error: Exception) -> None:
        """The server has said no; said once in the log."""
        if not self._pause:
            outage = outage_of(error)
            why = "refuses" if outage is None else f"{outage.state}; {outage.remedy}"
            logger.error("no messages until the server serves again: it %s (%s)", why, error)
        self._pause = min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)
        self._until = time.monotonic() + self._pause

    def answered(self) -> None:
        """The server serves."""
        if self._pause:
            self._pause = self._until = 0.0
            logger.warning("the server gives messages again")

    @property
    def over(self) -> bool:
        """Whether the server may be asked."""
        return not self._pause or time.monotonic() >= self._until
