"""Choosing how a process runs invocations: with spans or without."""

from __future__ import annotations

import importlib

from flowforge.execution.attempt import Attempt
from flowforge.model.plan import Plan
from flowforge.store.claims import Granted
from flowforge.tracing.switch import spans_of
from flowforge.worker.run.runtime import Runtime


class ChoosingRuntime(Runtime):
    """A runtime that becomes a plain or a traced one with its first attempt.

    Not before: what configures a tracer provider may run last in the start of a process. Not later
    either: a step without spans must not ask whether it is to have one.
    """

    def prepare(self, granted: Granted, plan: Plan) -> Attempt:
        if spans_of(self.settings.traces) is None:
            self.__class__ = Runtime  # type: ignore[assignment]
        else:
            traced = importlib.import_module("flowforge.worker.run.traced_runtime")
            self.__class__ = traced.TracedRuntime
        return self.prepare(granted, plan)


def choose_again(runtime: Runtime) -> None:
    """Let a process that begins choose for itself: it may have inherited what its parent chose."""
    runtime.__class__ = ChoosingRuntime
