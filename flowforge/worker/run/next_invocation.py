"""Going from one invocation straight to the next.

While messages wait, a process gets the next invocation with the reply to its commit instead of
through the broker, and runs it as the Celery task that it is: with its own trace, signals and log
lines, but without the consumer, the pool's pipe and the second round trip. That is where most of
the cost of a step would be.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from flowforge.store.transitions.claims import Granted


class NextInvocation(threading.local):
    """What the task that runs in this thread may do when it commits."""

    #: Broker lists to take the next message from; empty: do not go on.
    lists: Sequence[str] = ()
    #: Monotonic time after which the thread returns to Celery.
    until: float = 0.0
    #: What the latest commit claimed, to be run next.
    granted: Granted | None = None
    #: What the next claim is made with; None: a new token.
    token: str | None = None

    def take(self) -> tuple[Granted | None, str | None]:
        """What the task that begins has been granted, and the token for it if it has not."""
        granted, self.granted = self.granted, None
        token = self.token
        if token is not None:
            self.token = None
        return granted, token

    def open_lists(self) -> Sequence[str]:
        return self.lists if self.lists and time.monotonic() < self.until else ()


#: The state of each thread (with gevent: of each greenlet).
next_invocation = NextInvocation()


def run_on(
    trace: Callable[[], Any], run_next: Callable[[Granted], Any], lists: Sequence[str], limit: float
) -> Any:
    """Trace a task, then run what its commit claimed, and so on for ``limit`` seconds.

    Returns what the first trace returned: that is what Celery asked for.
    """
    next_invocation.lists, next_invocation.until = lists, time.monotonic() + limit
    try:
        result = trace()
        while (granted := next_invocation.granted) is not None:
            run_next(granted)
            if next_invocation.granted is granted:
                break  # the task did not get as far as running; its lease will expire
        return result
    finally:
        next_invocation.lists, next_invocation.granted = (), None
