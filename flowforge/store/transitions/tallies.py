"""Adding to the totals of attempts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from flowforge.store.runner import ScriptRunner
from flowforge.store.server.link import Argument

#: What has totals, and its name: flow, routine and slot, or flow and connection, a line each.
Counted: TypeAlias = tuple[Literal["slot", "connection"], str]


class Tallies:
    """Adds to the totals of attempts."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts

    def add(
        self, writer: str, batch: int, worker: str, changes: Mapping[Counted, Mapping[int, int]]
    ) -> bool:
        """Add to counters of slots and connections.

        ``writer``: a process; ``batch`` numbers its batches from 1. One that is sent again is added
        once: False. ``worker``: whose own totals are kept as well; '' for no worker's.
        """
        parts: list[Argument] = []
        for counted, counters in changes.items():
            parts += [*counted, len(counters)]
            for counter, by in counters.items():
                parts += [counter, by]
        return bool(self._scripts.run("tally", writer, batch, worker, *parts))

    def keep_minute(self, minute: int, kept_ms: int, totals: Mapping[str, str]) -> bool:
        """Keep the totals of each flow as those at the beginning of a minute, for that long: False
        when there are some already.
        """
        parts = [part for pair in totals.items() for part in pair]
        return bool(self._scripts.run("keep_minute", minute, kept_ms, *parts))
