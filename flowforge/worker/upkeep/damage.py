"""Telling of members of the indexes that made no sense."""

from __future__ import annotations

import logging

from flowforge.store.fleet_reads.overview import Overview
from flowforge.store.store import Store

logger = logging.getLogger(__name__)


class Damage:
    """Logs what the scripts have dropped or put off, once each."""

    def __init__(self, store: Store) -> None:
        self._overview = Overview(store)
        self._logged: set[str] = set()

    def run_once(self) -> int:
        """How much of it is new to this process."""
        found = self._overview.damaged()
        new = found - self._logged
        for text in sorted(new):
            # As a literal: it may hold anything.
            logger.error("damaged data was passed over: %r", text)
        # What has been forgotten there may come again.
        self._logged = found
        return len(new)
