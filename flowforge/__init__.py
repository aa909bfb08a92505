"""FlowForge: event-driven workflows on the Celery fleet you already have."""

from flowforge.errors import FlowForgeError
from flowforge.flow import Flow
from flowforge.job_state import JobState, Output
from flowforge.model.connection import Connection
from flowforge.model.decorator import routine
from flowforge.model.error_handler import ErrorHandler, ErrorStrategy
from flowforge.model.event import Event
from flowforge.model.join import Join
from flowforge.model.routine import Routine
from flowforge.model.slot import Slot
from flowforge.set_up import configure, install, shutdown

# Sorted by what a reader does with them.
__all__ = [  # noqa: RUF022
    # define
    "Connection",
    "ErrorHandler",
    "ErrorStrategy",
    "Event",
    "Flow",
    "Join",
    "Routine",
    "Slot",
    "routine",
    # watch
    "JobState",
    "Output",
    # set up
    "configure",
    "install",
    "shutdown",
    # fail
    "FlowForgeError",
]

__version__ = "0.1.0"
