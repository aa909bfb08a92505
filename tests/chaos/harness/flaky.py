"""A routine that needs several attempts."""

from __future__ import annotations

from flowforge import ErrorHandler, ErrorStrategy, Flow
from tests.chaos.harness.flows import Noting

#: The module that workers import.
MODULE = __name__

#: Attempts that fail, and seconds before the first retry; the delay stays the same.
FAILURES = 2
DELAY = 1.0


class Flaky(Noting):
    """Fails ``FAILURES`` times."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.attempt_it)

    def attempt_it(self) -> None:
        self.enter()
        if self.attempt <= FAILURES:
            raise ConnectionError(f"attempt {self.attempt} fails")
        self.leave()


def flaky_flow() -> Flow:
    """The flow of one routine that is retried."""
    flow = Flow("chaos-flaky")
    flow.add_routine(Flaky(), "flaky")
    flow.set_error_handler(
        ErrorHandler(ErrorStrategy.RETRY, max_retries=5, retry_delay=DELAY, retry_backoff=1.0)
    )
    return flow


FLAKY = flaky_flow()
