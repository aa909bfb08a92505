"""Giving an invocation its last attempt alone in its process.

A handler that kills its process ends the handlers of other threads with it, and each of their
invocations counts a lost worker. So the last attempt that an invocation may lose runs alone. If it
is lost as well, no other handler can be the cause, and no other invocation is quarantined for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class ReadersWriterLock:
    """Shared by the threads of a process, or one thread's alone.

    ``patience``: seconds that ``exclusive`` waits for the other threads. After these it goes on all
    the same, since one of their handlers may wait for a job that only this thread could run.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._changed = threading.Condition()
        self._inside = 0
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether a thread has the lock alone, or waits for that: no other should claim now."""
        return self._closed

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Around all that a thread claims and runs; waits while another has the lock alone."""
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
    def exclusive(self) -> Iterator[bool]:
        """Within ``shared``: wait until the other threads have left, and keep new ones out.

        False at once when another thread has the lock alone, or waits for that.
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
