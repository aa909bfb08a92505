"""Giving an invocation its last attempt alone in its process.

A handler that kills its process takes its neighbours in other threads with it, and each counts a
lost worker. So whatever is left one attempt of runs without neighbours: if that is lost as well,
nobody else can be to blame, and nobody else is quarantined for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class ReadersWriterLock:
    """Who runs in this process. ``patience``: seconds that one waits for the others.

    After these it goes on all the same: a handler that waits for another one's job must not be
    waited for in turn without end.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._changed = threading.Condition()
        self._inside = 0
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether somebody is alone, or wants to be: nobody else should claim anything now."""
        return self._closed

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Around everything that a thread claims and runs; waits while somebody is alone."""
        with self._changed:
            # What a busy process does not claim in time is sent to others.
            while self._closed:
                self._changed.wait()
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Within ``inside``: wait until the others have left, and keep new ones out.

        False at once when another one is alone already, or about to be.
        """
        with self._changed:
            mine = not self._closed
            if mine:
                self._closed = True
                until = time.monotonic() + self._patience
                while self._inside > 1 and (left := until - time.monotonic()) > 0:
                    self._changed.wait(left)
        try:
            yield mine
        finally:
            if mine:
                with self._changed:
                    self._closed = False
                    self._changed.notify_all()
