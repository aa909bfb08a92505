"""A routine that runs until its job is cancelled."""

from __future__ import annotations

import time

from flowforge import Flow
from tests.chaos.harness.flows import Noting

#: The module that workers import.
MODULE = __name__

#: Seconds after which the handler gives up, so that a broken cancel cannot hang a worker.
GIVE_UP = 20.0

#: Seconds between two looks, as a considerate handler would take them.
_LOOK = 0.005


class Waiter(Noting):
    """Notes its start, and as its end the moment when it saw the cancel."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.wait_for_cancel)

    def wait_for_cancel(self) -> None:
        self.enter()
        deadline = time.monotonic() + GIVE_UP
        while not self.cancelled and time.monotonic() < deadline:
            time.sleep(_LOOK)
        if self.cancelled:
            self.leave()


def waiter_flow() -> Flow:
    """The flow of one handler that waits."""
    flow = Flow("chaos-waiter")
    flow.add_routine(Waiter(), "waiter")
    return flow


WAITER = waiter_flow()
