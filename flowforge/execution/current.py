"""The attempt that is running here, for objects that are not bound to it (``flow.pause()``)."""

from __future__ import annotations

from contextvars import ContextVar

from flowforge.execution.attempt import Attempt

current: ContextVar[Attempt | None] = ContextVar("flowforge_current_attempt", default=None)
