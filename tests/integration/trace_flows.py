"""Flows for the tests of ``test_traces``. Workers that import them write spans to a file."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from celery.signals import worker_process_init
from opentelemetry import baggage, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)

from flowforge import ErrorHandler, ErrorStrategy, Flow, Join, Routine, routine
from tests.integration.flows import wait_for

logger = logging.getLogger("shop")

#: Where a worker writes its spans; without it no provider is configured.
FILE = "SPANS_FILE"

#: ``child``: each child process configures the provider, and not the import of this module.
#: ``later``: spans are exported in batches.
WHEN = "SPANS_WHEN"


class FileExporter(SpanExporter):
    """Each span as a line of JSON."""

    def __init__(self, path: str) -> None:
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append in one write, since several processes do."""
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        for span in spans:
            os.write(file, json.dumps(as_dict(span)).encode() + b"\n")
        os.close(file)
        return SpanExportResult.SUCCESS


def as_dict(span: ReadableSpan) -> dict[str, Any]:
    """What tests look at."""
    context = span.get_span_context()
    assert context is not None
    return {
        "name": span.name,
        "kind": span.kind.name,
        "trace": f"{context.trace_id:032x}",
        "id": f"{context.span_id:016x}",
        "parent": None if span.parent is None else f"{span.parent.span_id:016x}",
        "links": [f"{link.context.span_id:016x}" for link in span.links],
        "attributes": dict(span.attributes or {}),
        "events": {event.name: dict(event.attributes or {}) for event in span.events},
        "status": span.status.status_code.name,
        "description": span.status.description,
        "seconds": ((span.end_time or 0) - (span.start_time or 0)) / 1e9,
    }


def configure_spans(**_: Any) -> None:
    """What a program does that wants to be traced."""
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    exporter = FileExporter(os.environ[FILE])
    if os.environ.get(WHEN) == "later":
        # Nothing is exported before the process ends.
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=600_000))
    else:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


if FILE in os.environ:
    if os.environ.get(WHEN) == "child":
        worker_process_init.connect(configure_spans, weak=False)
    else:
        configure_spans()

tracer = trace.get_tracer("shop")


@routine(events=["fetched"])
def fetch(self: Any, order: int) -> None:
    """Calls something that is instrumented, and emits within."""
    logger.warning("fetching %d for %s", order, baggage.get_baggage("tenant"))
    with tracer.start_as_current_span("GET /orders"):
        self.emit("fetched", order=order + 0)


@routine(events=["part"])
def split(self: Any, order: int) -> None:
    """Emits from a thread, which has no context of its own."""
    thread = threading.Thread(target=lambda: self.emit("part", part=1))
    thread.start()
    thread.join()
    self.emit("part", part=2)
    self.emit("part", part=3)


@routine(events=["packed"])
def pack(self: Any, part: int) -> None:
    """A step of a fan-out."""
    self.emit("packed", part=part)


class Ship(Routine):
    """Joins, and starts a child job."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.ship, join=Join.all())
        self.define_event("shipped")

    def ship(self, items: list[dict[str, Any]]) -> None:
        self.start(delivery, "carry", {"parts": len(items)}, event="shipped")


@routine
def carry(parts: int) -> dict[str, int]:
    """The only step of the child job."""
    return {"parts": parts}


@routine(events=["closed"])
def close(self: Any, **params: Any) -> None:
    """The end of the parent job."""
    self.emit("closed", **params)


delivery = Flow("delivery")
delivery.add_routine(carry, "carry")

shop = Flow("shop")
for name, cls in (("fetch", fetch), ("split", split), ("pack", pack), ("close", close)):
    shop.add_routine(cls, name)
shop.add_routine(Ship, "ship")
shop.connect("fetch", "fetched", "split", "input")
shop.connect("split", "part", "pack", "input")
shop.connect("pack", "packed", "ship", "input")
shop.connect("ship", "shipped", "close", "input")


class Flaky(Routine):
    """Fails with a secret in its message, until its third attempt."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.go, secret=["token"])

    def go(self, token: str, good: int = 3) -> None:
        if self.attempt < good:
            raise ValueError(f"refused {token}")


flaky = Flow("flaky")
flaky.add_routine(Flaky, "it")
flaky.set_error_handler(ErrorHandler(ErrorStrategy.RETRY, max_retries=2, retry_delay=0.05))


@routine
def fatal(mark: str) -> None:
    """Takes its process with it, once."""
    path = Path(mark)
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)


deadly = Flow("deadly")
deadly.add_routine(fatal, "it")


@routine(events=["next"])
def first(self: Any, n: int) -> None:
    """On the default queue."""
    self.emit("next", n=n)


@routine(queue="other")
def second(n: int) -> None:
    """On a queue of its own."""


wide = Flow("wide")
wide.add_routine(first, "first")
wide.add_routine(second, "second")
wide.connect("first", "next", "second", "input")


class Ask(Routine):
    """Expects an answer, and what comes in its place when the time is over."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("trigger", handler=self.ask)
        self.define_slot("answer", handler=self.answered)

    def ask(self) -> None:
        self.expect("answer", key="answered")
        self.expect("answer", key="late", within=0.01, otherwise={})

    def answered(self) -> None: ...


asking = Flow("asking")
asking.add_routine(Ask, "ask")


@routine
def hold(gate: str) -> None:
    """Runs until the file is there."""
    wait_for(gate)


gated = Flow("gated")
gated.add_routine(hold, "it")
