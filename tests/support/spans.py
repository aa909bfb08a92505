"""A tracer provider for one test, and what it was given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


@contextmanager
def provider_set(provider: trace.TracerProvider | None) -> Iterator[None]:
    """Within, the provider is that of this process; OpenTelemetry lets it be set only once."""
    former = trace._TRACER_PROVIDER
    trace._TRACER_PROVIDER = provider
    try:
        yield
    finally:
        trace._TRACER_PROVIDER = former


@contextmanager
def recorded() -> Iterator[InMemorySpanExporter]:
    """Within, this process is traced."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider_set(provider):
        yield exporter
