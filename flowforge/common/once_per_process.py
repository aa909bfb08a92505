"""Beginning something once in each process, also in those that are forked from it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flowforge.common.forks import Forks


class OncePerProcess:
    """``begin`` is called before the first use in a process; threads that come meanwhile wait.

    A user that is asked often compares ``process`` with ``Forks.count`` itself before it calls.
    """

    def __init__(self, begin: Callable[[], None]) -> None:
        self._begin = begin
        #: ``Forks.count`` of the process in which it was begun; -1: in none.
        self.process = -1
        #: Of each process its own: that of the parent may be held by a thread that is not here.
        self._locks: dict[int, threading.Lock] = {}

    def __call__(self) -> None:
        """Begin, if that was not done in this process."""
        here = Forks.count
        with self._locks.setdefault(here, threading.Lock()):
            if self.process != here:
                self._begin()
                self.process = here
