"""How far a long search has come, on one line of a terminal that goes away with its end."""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import datetime

from rich.live import Live
from rich.text import Text

from flowforge.cli.terminal.render import console, local_time
from flowforge.engine.bulk.selection import Counted

#: Seconds until a search is long, and between two changes of the line.
_PATIENCE, _TICK = 1.0, 0.25


class LookView(ExitStack):
    """Shows nothing where stderr is no terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._console = console(stderr=True)
        self._next = time.monotonic() + _PATIENCE
        self._live: Live | None = None

    def looked_to(self, at: datetime, found: int) -> None:
        """Jobs down to this time of creation have been looked at."""
        self._show(
            f"looked at the jobs created since {local_time(at)}: {found} found; Ctrl-C stops"
        )

    def counted(self, counted: Counted) -> None:
        """So many of the jobs to be counted have been looked at."""
        self._show(
            f"looked at {counted.looked_at:,} jobs, {counted.statuses.total():,} of them fit"
        )

    def _show(self, text: str) -> None:
        if not self._console.is_terminal or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _TICK
        if self._live is None:
            live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live = self.enter_context(live)
        self._live.update(Text(text, overflow="ellipsis", no_wrap=True), refresh=True)
