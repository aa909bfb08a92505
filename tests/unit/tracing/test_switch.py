"""When a process makes spans."""

from __future__ import annotations

import subprocess
import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NoOpTracerProvider

from flowforge.errors import ConfigurationError
from flowforge.settings import Settings, from_environment
from flowforge.tracing.switch import flush_spans, spans_of
from tests.support.spans import provider_set


def test_a_tracer_provider_switches_spans_on() -> None:
    """As it does for the instrumentations of OpenTelemetry; False keeps them off."""
    with provider_set(None):
        assert spans_of(None) is None
        assert spans_of(True) is not None
    with provider_set(TracerProvider(shutdown_on_exit=False)):
        assert spans_of(None) is spans_of(True) is not None
        assert spans_of(False) is None


def test_a_provider_that_cannot_be_loaded_switches_nothing_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """OpenTelemetry raises an error for it whenever it is asked."""
    monkeypatch.setenv("OTEL_PYTHON_TRACER_PROVIDER", "no such provider")
    with provider_set(None):
        assert spans_of(None) is None
    assert "no traces: OpenTelemetry" in caplog.text


def test_what_waits_is_exported_at_the_end() -> None:
    """If the provider keeps anything."""
    flushed = []

    class Provider(NoOpTracerProvider):
        def force_flush(self, timeout_millis: int) -> None:
            flushed.append(timeout_millis)
            raise RuntimeError("the collector is away")

    for provider in (Provider(), NoOpTracerProvider(), None):
        with provider_set(provider):
            flush_spans(None)
    assert flushed == [3000]


def test_nothing_imports_opentelemetry_unasked() -> None:
    """A program that does not use it does not pay for its import, unless another library has it:
    redis-py does where the SDK is installed.
    """
    script = (
        "import sys; sys.modules['opentelemetry'] = None; from flowforge import Flow, install; "
        "import flowforge.app, flowforge.cli; assert 'flowforge.tracing.switch' in sys.modules"
    )
    environment = {"FLOWFORGE_REDIS_URL": "redis://127.0.0.1:1/0"}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)


def test_the_setting_needs_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how to install it."""
    assert from_environment({"FLOWFORGE_TRACES": "1"}).traces is True
    assert from_environment({"FLOWFORGE_TRACES": "off"}).traces is False
    assert Settings().traces is None
    monkeypatch.setattr("flowforge.settings.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'flowforge\[otel\]'"):
        Settings(traces=True)
    assert Settings(traces=False).traces is False
