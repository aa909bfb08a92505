"""Keeping what each flow has done by each minute."""

from __future__ import annotations

from flowforge.store.fleet_reads.throughput import Throughput
from flowforge.store.store import Store


class Minutes:
    """Keeps the totals of flows once a minute."""

    def __init__(self, store: Store) -> None:
        self._throughput = Throughput(store)

    def run_once(self) -> int:
        """How many minutes were kept: one, or none."""
        return int(self._throughput.keep())
