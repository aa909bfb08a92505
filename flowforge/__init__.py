"""FlowForge: event-driven workflows on the Celery fleet you already have.

The names are loaded with the first of them that is used, as Celery's are, so that a program which
only mentions the package starts fast.
"""

from __future__ import annotations

import importlib

# What type checkers take for true, without the time that importing ``typing`` takes.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from flowforge.composition import configure, shutdown
    from flowforge.engine.bulk.bulk import Bulk
    from flowforge.engine.fleet.queue import Queue
    from flowforge.engine.flow import Flow
    from flowforge.engine.jobs.job_state import JobState
    from flowforge.engine.limit import Limit
    from flowforge.engine.schedules.schedule import Schedule
    from flowforge.engine.schedules.state import ScheduleState
    from flowforge.errors import FlowForgeError, Limited
    from flowforge.joining import install
    from flowforge.model.answers.expectation import Expect, Expectation, Ticket
    from flowforge.model.connection import Connection
    from flowforge.model.decorator import routine
    from flowforge.model.error_handler import ErrorHandler, ErrorStrategy
    from flowforge.model.event import Event
    from flowforge.model.hooks.hook_event import HookEvent
    from flowforge.model.hooks.hooks import on_event, webhook
    from flowforge.model.jobs.job_handle import Output
    from flowforge.model.join import Join
    from flowforge.model.routine import Routine
    from flowforge.model.slot import Slot
    from flowforge.model.times.debounce import Debounce

#: Public name -> the module that defines it, in the order in which a reader meets them.
_MODULES = {
    # define
    "Connection": "flowforge.model.connection",
    "ErrorHandler": "flowforge.model.error_handler",
    "ErrorStrategy": "flowforge.model.error_handler",
    "Event": "flowforge.model.event",
    "Expect": "flowforge.model.answers.expectation",
    "Flow": "flowforge.engine.flow",
    "Join": "flowforge.model.join",
    "Limit": "flowforge.engine.limit",
    "Routine": "flowforge.model.routine",
    "Slot": "flowforge.model.slot",
    "routine": "flowforge.model.decorator",
    # submit
    "Debounce": "flowforge.model.times.debounce",
    # watch
    "Bulk": "flowforge.engine.bulk.bulk",
    "Expectation": "flowforge.model.answers.expectation",
    "JobState": "flowforge.engine.jobs.job_state",
    "Output": "flowforge.model.jobs.job_handle",
    "Queue": "flowforge.engine.fleet.queue",
    "Ticket": "flowforge.model.answers.expectation",
    # at certain times
    "Schedule": "flowforge.engine.schedules.schedule",
    "ScheduleState": "flowforge.engine.schedules.state",
    # be told
    "HookEvent": "flowforge.model.hooks.hook_event",
    "on_event": "flowforge.model.hooks.hooks",
    "webhook": "flowforge.model.hooks.hooks",
    # set up
    "configure": "flowforge.composition",
    "install": "flowforge.joining",
    "shutdown": "flowforge.composition",
    # fail
    "FlowForgeError": "flowforge.errors",
    "Limited": "flowforge.errors",
}

__all__ = [  # noqa: RUF022 - in the table's order
    # define
    "Connection",
    "ErrorHandler",
    "ErrorStrategy",
    "Event",
    "Expect",
    "Flow",
    "Join",
    "Limit",
    "Routine",
    "Slot",
    "routine",
    # submit
    "Debounce",
    # watch
    "Bulk",
    "Expectation",
    "JobState",
    "Output",
    "Queue",
    "Ticket",
    # at certain times
    "Schedule",
    "ScheduleState",
    # be told
    "HookEvent",
    "on_event",
    "webhook",
    # set up
    "configure",
    "install",
    "shutdown",
    # fail
    "FlowForgeError",
    "Limited",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # It also says which engine a process gets that has configured none.
    importlib.import_module("flowforge.composition")
    found: object = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
