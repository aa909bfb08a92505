"""An attempt with a span of its own, which is current while its handler runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import time_ns
from typing import Any

from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode, get_current_span

from flowforge.codec.binary import unpack_record
from flowforge.execution.run import Outcome
from flowforge.model.invocation_id import task_id
from flowforge.model.jobs.status import AttemptOutcome
from flowforge.model.slot import CHILD_SLOT_INDEX
from flowforge.tracing.carrying import CarryingAttempt
from flowforge.tracing.spans import Attributes, Spans, guarded, packed


class TracedAttempt(CarryingAttempt):
    """What it emits carries the span that is current at that moment, below its own."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._span: Span = INVALID_SPAN
        self._below = Context()
        self._ended: int | None = None
        #: Workers that were lost with the invocation before.
        self.lost = 0
        self.queue: str | None = None
        #: How the handler ended; None: it did not.
        self.outcome: Outcome | None = None
        #: The context that was packed last, and what it gave.
        self._packed: tuple[Context, bytes] = (Context(), b"")

    def begin(
        self,
        spans: Spans,
        links: Sequence[bytes] = (),
        start_time: int | None = None,
    ) -> None:
        """Start the span. ``links``: packed contexts of what a join has collected. ``start_time``:
        nanoseconds since the epoch; None: now.
        """
        internal = self.slot.index == CHILD_SLOT_INDEX
        self._span, self._below = spans.start(
            f"run {self.routine.id}.{self.slot.name}",
            SpanKind.INTERNAL if internal else SpanKind.CONSUMER,
            guarded(self._attributes, {}),
            parent=self.carried,
            links=links,
            start_time=start_time,
        )

    def _attributes(self) -> Attributes:
        found: dict[str, str | int] = {
            "messaging.system": "flowforge",
            "messaging.operation.type": "process",
            "messaging.operation.name": "run",
            "messaging.message.id": task_id(self.job_id, self.invocation),
            "messaging.message.conversation_id": self.job_id,
            "code.function.name": f"{self.routine.class_name}.{self.slot.call}",
            "flowforge.job": self.job_id,
            "flowforge.flow": self.routine.flow_id,
            "flowforge.routine": self.routine.id,
            "flowforge.slot": self.slot.name,
            "flowforge.invocation": self.number,
            "flowforge.attempt": self.attempt_number,
        }
        if self.queue:
            found["messaging.destination.name"] = self.queue
        if self.lost:
            found["flowforge.lost_workers"] = self.lost
        if self.joins:
            found["messaging.batch.message_count"] = int(self.raw[1:].partition(b" ")[0])
        return found

    @contextmanager
    def current(self) -> Iterator[None]:
        """Within, the span is the current one of this thread."""
        token = guarded(lambda: attach(self._below), None)
        try:
            yield
        finally:
            self._ended = time_ns()
            if token is not None:
                guarded(lambda: detach(token), None)

    def end(self, *, counted: bool) -> None:
        """End the span at the moment at which the handler ended. ``counted``: False where nothing
        of the attempt counts: its lease was lost, its job has ended, or it was given back.
        """
        guarded(lambda: self._end(self._span, self.outcome, counted), None)

    def _end(self, span: Span, outcome: Outcome | None, counted: bool) -> None:
        if span.is_recording():
            if outcome is not None:
                span.set_attribute("flowforge.outcome", str(outcome.kind))
                if outcome.kind is AttemptOutcome.RETRIED:
                    span.set_attribute("flowforge.retry_delay", outcome.delay)
                if outcome.problem:
                    self._tell(span, outcome.problem)
            if not counted:
                span.set_attribute("flowforge.counted", False)
        span.end(self._ended)

    def _tell(self, span: Span, problem: bytes) -> None:
        """The error as the job keeps it: bounded, and without secrets."""
        (error,) = unpack_record(problem, "the error of an attempt", 1)
        span.set_attribute("error.type", error["type"])
        span.add_event(
            "exception",
            {
                "exception.type": error["type"],
                "exception.message": error["message"],
                "exception.stacktrace": error["traceback"],
            },
            self._ended,
        )
        span.set_status(Status(StatusCode.ERROR, f"{error['type']}: {error['message']}"))

    def context_now(self) -> bytes:
        """The packed context of the span that is current here, if it is of the same trace; else of
        the attempt's own. A thread that the handler has started has none.
        """
        return guarded(self._context_now, self.carried)

    def _context_now(self) -> bytes:
        context = get_current()
        known, found = self._packed
        if context is known:
            return found
        own = self._span.get_span_context()
        here = get_current_span(context).get_span_context()
        found = packed(context if here.trace_id == own.trace_id else self._below)
        if not found:
            found = self.carried
        self._packed = context, found
        return found

    def trace_ids(self) -> tuple[str, str]:
        """The trace, and the span that is current here or the attempt's own."""
        own = self._span.get_span_context()
        if not own.is_valid:
            return super().trace_ids()
        here = get_current_span().get_span_context()
        span_id = here.span_id if here.trace_id == own.trace_id else own.span_id
        return f"{own.trace_id:032x}", f"{span_id:016x}"
