"""A routine that takes its worker with it."""

from __future__ import annotations

import os
import signal

from flowforge import Flow
from tests.chaos.harness.flows import Noting

#: The module that workers import.
MODULE = __name__

#: Attempts of any handler after which something must have stopped it: the poison turns harmless,
#: so that a broken quarantine cannot kill for ever.
MOST = 20


class Poison(Noting):
    """Ends its own process; in a threads or solo pool that is the whole worker."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.swallow)

    def swallow(self) -> None:
        self.enter()
        if self.attempt < MOST:
            os.kill(os.getpid(), signal.SIGKILL)


def poison_flow() -> Flow:
    """The flow of one poisonous invocation."""
    flow = Flow("chaos-poison")
    flow.add_routine(Poison(), "poison")
    return flow


POISON = poison_flow()
