"""A page that browsers have open, from one look at it to the next."""

from __future__ import annotations

import time
from collections.abc import Mapping

from flowforge.web.fragments import FragmentMemory

#: Seconds after which a page that is at rest is read again though its mark is the same: it shows
#: how long ago something was, and what others than its mark tell of.
_REST = 10.0


class OpenPage:
    """What is known of it."""

    def __init__(self) -> None:
        self.memory = FragmentMemory()
        #: Whether it was at rest, so that a mark may tell whether it still is.
        self.may_rest = False
        self._mark: object = None
        self._read = float("-inf")
        self._fragments: Mapping[str, str] = {}

    def rests(self, mark: object) -> bool:
        """Whether nothing has happened since the page was read with this mark."""
        return mark == self._mark and time.monotonic() < self._read + _REST

    @property
    def fragments(self) -> Mapping[str, str]:
        """As they were read last."""
        return self._fragments

    def keep(self, mark: object, fragments: Mapping[str, str]) -> None:
        """Remember what was read. ``mark``: None where the page goes on."""
        self._mark, self._fragments, self._read = mark, fragments, time.monotonic()
