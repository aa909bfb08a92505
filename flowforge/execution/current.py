"""The delivery that is running here, for objects that are not bound to it (``flow.pause()``)."""

from __future__ import annotations

from contextvars import ContextVar

from flowforge.execution.delivery import Delivery

current: ContextVar[Delivery | None] = ContextVar("flowforge_current_delivery", default=None)
