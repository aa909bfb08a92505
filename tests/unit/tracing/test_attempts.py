"""Attempts that belong to a trace: what they emit carries it, and nothing of it hurts them."""

from __future__ import annotations

import logging
from threading import Thread
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from opentelemetry import baggage, trace
from opentelemetry.context import attach, detach, get_current
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind

from flowforge.codec.binary import split_trace, unpack_record
from flowforge.execution.attempt import Attempt
from flowforge.execution.run import run
from flowforge.logs import ContextFilter
from flowforge.model.times.child_start import ChildStart
from flowforge.tracing.attempts import TracedAttempt
from flowforge.tracing.carried import BAGGAGE_LIMIT, Carried, pack, unpack
from flowforge.tracing.carrying import CarryingAttempt
from flowforge.tracing.spans import SPANS, guarded, packed
from tests.support.spans import provider_set, recorded
from tests.unit.execution.samples import Worker, make_attempt

CARRIED = Carried(0xA0, 0xB0, 1, "vendor=1", "tenant=acme")


def carrying(trace: bytes) -> CarryingAttempt:
    """An attempt of a process that makes no spans."""
    attempt = make_attempt(cls=CarryingAttempt, trace=trace)
    assert isinstance(attempt, CarryingAttempt)
    return attempt


def traced(slot: str = "input", trace: bytes = b"", **options: Any) -> TracedAttempt:
    """An attempt whose span has begun."""
    attempt = make_attempt(slot, cls=TracedAttempt, trace=trace, **options)
    assert isinstance(attempt, TracedAttempt)
    attempt.begin(SPANS)
    return attempt


def finish(attempt: TracedAttempt, *, counted: bool = True) -> None:
    """Run its handler as a worker does."""
    with attempt.current():
        attempt.outcome = run(attempt, "w1")
    attempt.end(counted=counted)


def emitted(attempt: Attempt) -> list[bytes]:
    """The packed contexts of what an attempt has emitted."""
    return [split_trace(record)[1] for *_, record in attempt.effects.emitted]


def act(monkeypatch: pytest.MonkeyPatch, action: Any) -> None:
    """What the handler of the sample does."""
    monkeypatch.setattr(Worker, "action", action)


def test_a_context_is_handed_on() -> None:
    """By a process that makes no spans; the history does not get it."""
    carried = pack(CARRIED)
    attempt = carrying(carried)
    attempt.emit("done", {"id": 1})
    attempt.emit("split", {"id": 1, "order_id": 2})
    flow: Any = "flow"
    attempt.start(flow, "it", None, ChildStart("done"), None, None, None)
    assert emitted(attempt) == [carried] * 4
    assert attempt.raw == make_attempt().raw
    (child,) = attempt.effects.started_jobs
    assert repr(carried) in child
    assert any(split_trace(part)[1] == carried for part in child if type(part) is bytes)
    assert attempt.trace_ids() == (f"{0xA0:032x}", "")
    plain = carrying(b"")
    plain.emit("done", {"id": 1})
    assert emitted(plain) == [b""]
    assert plain.trace_ids() == ("", "")


def test_the_current_span_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler's own, one within it, and that of the attempt in a thread without a context."""
    seen: list[Any] = []

    def action(bound: Worker, params: dict[str, Any]) -> None:
        seen.append((trace.get_current_span(), baggage.get_all()))
        bound.emit("done", id=1)
        with trace.get_tracer("shop").start_as_current_span("GET /") as inner:
            seen.append(inner)
            bound.emit("done", id=2)
        thread = Thread(target=lambda: bound.emit("done", id=3))
        thread.start()
        thread.join()

    act(monkeypatch, action)
    with recorded() as exporter:
        attempt = traced(trace=pack(CARRIED))
        finish(attempt)
        assert not trace.get_current_span().get_span_context().is_valid
    (inner, own) = exporter.get_finished_spans()
    assert own.parent is not None
    assert (own.parent.trace_id, own.parent.span_id, own.parent.is_remote) == (0xA0, 0xB0, True)
    assert (own.kind, own.name) == (SpanKind.CONSUMER, "run worker.input")
    assert seen[0][1] == {"tenant": "acme"}
    contexts = [unpack(one) for one in emitted(attempt)]
    ids = [0 if one is None else one.span_id for one in contexts]
    assert ids == [own.context.span_id, inner.context.span_id, own.context.span_id]
    assert contexts[0] == CARRIED._replace(span_id=own.context.span_id)
    attributes = dict(own.attributes or {})
    assert attributes["flowforge.attempt"] == 1
    assert attributes["flowforge.outcome"] == "completed"
    assert attributes["messaging.message.id"] == "j1-7"
    assert str(attributes["code.function.name"]).endswith("samples.Worker.work")


def test_a_span_of_another_trace_is_linked_and_not_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another instrumentation may have made one for the Celery task."""

    def action(bound: Worker, params: dict[str, Any]) -> None:
        outside = trace.set_span_in_context(trace.INVALID_SPAN)
        with trace.get_tracer("shop").start_as_current_span("elsewhere", outside):
            bound.emit("done", id=1)

    act(monkeypatch, action)
    with recorded() as exporter:
        with trace.get_tracer("celery").start_as_current_span("run/it"):
            attempt = traced(trace=pack(CARRIED))
            finish(attempt)
        (_, own, task) = exporter.get_finished_spans()
        assert [link.context.span_id for link in own.links] == [task.context.span_id]
        (context,) = emitted(attempt)
        assert unpack(context) == CARRIED._replace(span_id=own.context.span_id)
        with trace.get_tracer("celery").start_as_current_span("run/it"):
            finish(traced())
        (*_, own, task) = exporter.get_finished_spans()
        assert own.parent == task.context


def test_log_lines_name_trace_and_span(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are current where the line is logged."""
    lines: list[dict[str, Any]] = []

    def action(bound: Worker, params: dict[str, Any]) -> None:
        record = logging.LogRecord("x", 30, "", 1, "said", None, None)
        ContextFilter().filter(record)
        lines.append(vars(record))

    act(monkeypatch, action)
    with recorded() as exporter:
        finish(traced())
    (own,) = exporter.get_finished_spans()
    (line,) = lines
    assert line["trace_id"] == f"{own.context.trace_id:032x}"
    assert line["span_id"] == f"{own.context.span_id:016x}"
    assert str(line["flowforge"]).endswith(f" span_id={line['span_id']}")


def test_an_error_is_told_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the job tells it; the job names the span."""

    def action(bound: Worker, params: dict[str, Any]) -> None:
        raise ValueError(f"card {params['number']}")

    act(monkeypatch, action)
    with recorded() as exporter:
        attempt = traced("card", params={"number": "4711-1234"})
        finish(attempt, counted=False)
    (span,) = exporter.get_finished_spans()
    (event,) = span.events
    assert event.name == "exception"
    assert dict(event.attributes or {})["exception.message"] == "card ***"
    assert "4711-1234" not in span.to_json()
    assert span.status.description == "ValueError: card ***"
    attributes = dict(span.attributes or {})
    assert (attributes["error.type"], attributes["flowforge.counted"]) == ("ValueError", False)
    assert attempt.outcome is not None
    (error,) = unpack_record(attempt.outcome.problem, "it", 1)
    assert error["span_id"] == f"{span.context.span_id:016x}"


def test_long_baggage_stays_behind(caplog: pytest.LogCaptureFixture) -> None:
    """The trace goes on; the log says it once."""
    with recorded():
        token = attach(baggage.set_baggage("big", "x" * BAGGAGE_LIMIT))
        with trace.get_tracer("shop").start_as_current_span("it") as span:
            contexts = [unpack(packed(get_current())) for _ in range(2)]
        detach(token)
    assert [c and (c.span_id, c.baggage) for c in contexts] == [
        (span.get_span_context().span_id, "")
    ] * 2
    assert caplog.text.count("baggage of 1028 characters does not travel with jobs") <= 1


class Broken(SpanProcessor):
    """Fails with each span."""

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        raise RuntimeError("no start")

    def on_end(self, span: ReadableSpan) -> None:
        raise RuntimeError("no end")


class Unusable(trace.NoOpTracerProvider):
    """Gives no tracer."""

    def get_tracer(self, *arguments: Any, **options: Any) -> trace.Tracer:
        raise RuntimeError("no tracer")


def test_what_fails_in_opentelemetry_hurts_no_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attempt completes, and hands on what it was given."""
    act(monkeypatch, lambda bound, params: bound.emit("done", id=1))
    broken = TracerProvider(shutdown_on_exit=False)
    broken.add_span_processor(Broken())
    for provider in (broken, Unusable(), trace.NoOpTracerProvider(), None):
        with provider_set(provider):
            attempt = traced(trace=pack(CARRIED))
            finish(attempt)
        assert attempt.outcome is not None
        assert attempt.outcome.kind == "completed"
        (context,) = emitted(attempt)
        carried = unpack(context)
        assert carried is not None
        assert carried.trace_id == 0xA0
        assert attempt.trace_ids()[0] == f"{0xA0:032x}"


def test_a_time_limit_that_strikes_there_is_the_handlers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A signal raises it wherever the handler is."""

    def strike() -> None:
        raise SoftTimeLimitExceeded

    with pytest.raises(SoftTimeLimitExceeded):
        guarded(strike, None)
