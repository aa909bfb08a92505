"""How often a screen that shows a fleet reads it: a small part of what its server can do."""

from __future__ import annotations

import time
from collections.abc import Sequence

from flowforge.store.server.command_count import CommandCount
from flowforge.store.server.link import ServerLink

#: Seconds between two looks: at least, in relation to how long a look takes, and at most.
_REST, _SHARE, _MOST = 1.0, 10.0, 15.0

#: Commands a second, on average: looks that send many are further apart.
_COMMANDS = 500.0


class LookPace:
    """Says how long to rest after a look. ``links``: the connections whose commands it counts."""

    def __init__(self, links: Sequence[ServerLink]) -> None:
        self._counts = [CommandCount(link) for link in links]
        self._began = 0.0
        self._sent = 0
        #: Seconds to rest after the latest look.
        self.delay = _REST
        self.commands_a_second = 0.0

    def begin(self) -> None:
        """A look begins."""
        self._began, self._sent = time.monotonic(), self._commands()

    def end(self) -> None:
        """It has ended: ``delay`` and ``commands_a_second`` are of this look."""
        took, sent = time.monotonic() - self._began, self._commands() - self._sent
        self.delay = min(max(_REST, took * _SHARE, sent / _COMMANDS), _MOST)
        self.commands_a_second = sent / (self.delay + took)

    def _commands(self) -> int:
        return sum(count.sent for count in self._counts)
