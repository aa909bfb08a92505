"""Reading a row once in a look that asks for many things of the same job."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class OneLook(threading.local):
    """What a thread has read of jobs in the look that it has begun: it is not read again there.

    ``rows``, ``entries``: by job; None outside of a look, where everything is read each time.
    """

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, bytes]] | None = None
        self.entries: dict[str, bytes | None] | None = None

    @contextmanager
    def begun(self) -> Iterator[None]:
        """A look that changes nothing, and that may miss what changes meanwhile."""
        self.rows, self.entries = {}, {}
        try:
            yield
        finally:
            self.rows = self.entries = None
