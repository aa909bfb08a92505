"""Making spans. Nothing that OpenTelemetry or an exporter raises reaches a job."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Protocol, TypeAlias, TypeVar

from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context, get_current
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    NoOpTracer,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TracerProvider,
)
from opentelemetry.trace.span import TraceState

from flowforge.common.versions import installed_version
from flowforge.errors import PayloadError
from flowforge.execution.failure import message_of, type_of
from flowforge.tracing.carried import (
    BAGGAGE_LIMIT,
    TRACESTATE_LIMIT,
    Carried,
    pack,
    unpack,
)

logger = logging.getLogger(__name__)

Found = TypeVar("Found")

Attributes: TypeAlias = Mapping[str, str | int | float | bool]

#: Milliseconds that the export may take when a process ends.
FLUSH_LIMIT = 3000

_BAGGAGE = W3CBaggagePropagator()


class _Told:
    """What has been warned of in this process."""

    failure = False
    baggage = False


def guarded(call: Callable[[], Found], otherwise: Found) -> Found:
    """What the call returns, or ``otherwise`` when it fails; the first failure is logged."""
    try:
        return call()
    except Exception as error:
        limits = sys.modules.get("billiard.exceptions")
        if type(error) is getattr(limits, "SoftTimeLimitExceeded", None):
            # Of the handler that runs: a signal raises it wherever that is.
            raise
        if not _Told.failure:
            _Told.failure = True
            logger.warning("a trace is incomplete: OpenTelemetry has failed", exc_info=True)
        return otherwise


class Spans:
    """Makes the spans of this process, by the tracer provider that is set at that time."""

    def __init__(self) -> None:
        self._provider: TracerProvider | None = None
        self._tracer: Tracer = NoOpTracer()

    def _current_tracer(self) -> Tracer:
        provider = trace.get_tracer_provider()
        if provider is not self._provider:
            self._tracer = provider.get_tracer("flowforge", installed_version("flowforge"))
            self._provider = provider
        return self._tracer

    def flush(self) -> None:
        """Have the provider export what it has kept, if it can."""
        flush = getattr(trace.get_tracer_provider(), "force_flush", None)
        if flush is not None:
            guarded(lambda: flush(FLUSH_LIMIT), None)

    def start(
        self,
        name: str,
        kind: SpanKind,
        attributes: Attributes,
        *,
        parent: bytes = b"",
        links: Iterable[bytes] = (),
        start_time: int | None = None,
    ) -> tuple[Span, Context]:
        """A span that has begun, and the context for what is below it.

        ``parent``: a packed context; without one it is the span that is current here. ``links``:
        packed contexts. ``start_time``: nanoseconds since the epoch.
        """

        def begin() -> tuple[Span, Context]:
            context, above = below(parent)
            linked = [_remote(one) for packed in links if (one := unpack(packed)) is not None]
            here = trace.get_current_span().get_span_context()
            if above is not None and here.is_valid and here.trace_id != above.trace_id:
                # Another instrumentation's span, of the Celery task for example.
                linked.append(here)
            span = self._current_tracer().start_span(
                name, context, kind, dict(attributes), [Link(one) for one in linked], start_time
            )
            return span, trace.set_span_in_context(span, context)

        nothing: tuple[Span, Context] = (trace.INVALID_SPAN, get_current())
        return guarded(begin, nothing)

    @contextmanager
    def sending(self, flow_id: str, entry: str, links: Iterable[bytes] = ()) -> Iterator[Sending]:
        """The span of a call that creates jobs. It is not made the current one: nothing of the
        program runs within, and a generator must not leave a span behind with its caller.
        """
        attributes = {
            "messaging.system": "flowforge",
            "messaging.operation.type": "send",
            "messaging.operation.name": "execute",
            "flowforge.flow": flow_id,
            "flowforge.entry": entry,
        }
        span, context = self.start(f"execute {flow_id}", SpanKind.PRODUCER, attributes, links=links)
        found = Sending(span, guarded(lambda: packed(context), b""))
        try:
            yield found
        except Exception as error:
            guarded(partial(found.fail, error), None)
            raise
        finally:
            guarded(found.end, None)


class Sent(Protocol):
    """A job that was asked for, and whether it is new."""

    @property
    def job_id(self) -> str: ...

    @property
    def created(self) -> bool: ...


class Sending:
    """The span of a call that creates jobs, and the packed context that the jobs carry."""

    def __init__(self, span: Span, context: bytes) -> None:
        self.context = context
        self._span = span
        self._jobs = 0
        self._created = 0
        self._first = ""

    def tell(self, sent: Sequence[Sent]) -> None:
        """Jobs were created, or found by their keys."""
        if sent and not self._first:
            self._first = sent[0].job_id
        self._jobs += len(sent)
        self._created += sum(one.created for one in sent)

    def fail(self, error: Exception) -> None:
        """The call raises this."""
        self._span.set_attribute("error.type", type_of(error))
        # The message about a payload has keys in it, also those within secret params.
        told = "" if isinstance(error, PayloadError) else f": {message_of(error)}"
        self._span.set_status(Status(StatusCode.ERROR, f"{type_of(error)}{told}"))

    def end(self) -> None:
        """What was told becomes attributes."""
        if self._jobs == 1:
            self._span.set_attribute("flowforge.job", self._first)
            self._span.set_attribute("messaging.message.conversation_id", self._first)
        self._span.set_attribute("messaging.batch.message_count", self._jobs)
        self._span.set_attribute("flowforge.created", self._created)
        self._span.end()


def below(parent: bytes) -> tuple[Context, SpanContext | None]:
    """The context that a packed one stands for, with its baggage; the current one without."""
    context = get_current()
    carried = unpack(parent)
    if carried is None:
        return context, None
    remote = _remote(carried)
    context = trace.set_span_in_context(NonRecordingSpan(remote), baggage.clear(context))
    if carried.baggage:
        context = _BAGGAGE.extract({"baggage": carried.baggage}, context)
    return context, remote


def packed(context: Context) -> bytes:
    """A context as it travels; empty without a valid span."""
    found = trace.get_current_span(context).get_span_context()
    if not found.is_valid:
        return b""
    state = found.trace_state.to_header() if found.trace_state else ""
    return pack(
        Carried(
            found.trace_id,
            found.span_id,
            int(found.trace_flags) & 0xFF,
            state if len(state) <= TRACESTATE_LIMIT else "",
            _baggage(context) if baggage.get_all(context) else "",
        )
    )


def _baggage(context: Context) -> str:
    headers: dict[str, str] = {}
    _BAGGAGE.inject(headers, context)
    text = headers.get("baggage", "")
    if len(text) <= BAGGAGE_LIMIT:
        return text
    if not _Told.baggage:
        _Told.baggage = True
        logger.warning(
            "baggage of %d characters does not travel with jobs: %d are the limit",
            len(text),
            BAGGAGE_LIMIT,
        )
    return ""


def _remote(carried: Carried) -> SpanContext:
    state = TraceState.from_header([carried.tracestate]) if carried.tracestate else None
    return SpanContext(carried.trace_id, carried.span_id, True, TraceFlags(carried.flags), state)


#: One for the process: the provider decides what becomes of its spans.
SPANS = Spans()
