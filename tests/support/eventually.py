"""Wait for a condition instead of sleeping for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Longest pause between two looks; the first looks follow each other faster.
LONGEST_PAUSE = 0.05


def eventually(
    predicate: Callable[[], T], timeout: float = 25.0, message: str | Callable[[], str] = ""
) -> T:
    """Return the first true result of `predicate`; AssertionError after `timeout` seconds.

    `message` says what was waited for; as a callable it is asked only at the end, so that it can
    show the state that was found then. What `predicate` raises is raised at once.
    """
    deadline = time.monotonic() + timeout
    pause = 0.001
    while True:
        late = time.monotonic() >= deadline
        result = predicate()
        if result:
            return result
        if late:
            said = message() if callable(message) else message
            raise AssertionError(f"not within {timeout} s: {said or predicate}; last: {result!r}")
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
