"""The public names, each from where it is defined."""

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

__all__ = [
    "Connection",
    "ErrorHandler",
    "ErrorStrategy",
    "Event",
    "Flow",
    "FlowForgeError",
    "JobState",
    "Join",
    "Output",
    "Routine",
    "Slot",
    "configure",
    "install",
    "routine",
    "shutdown",
]
