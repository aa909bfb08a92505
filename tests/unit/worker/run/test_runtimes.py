"""Which runtime a process runs invocations with."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.trace import TracerProvider

from flowforge.settings import Settings
from flowforge.worker.run.readers_writer_lock import ReadersWriterLock
from flowforge.worker.run.runtime import Runtime
from flowforge.worker.run.runtimes import Runtimes
from flowforge.worker.run.traced_runtime import TracedRuntime
from tests.support.spans import provider_set


def runtimes(traces: bool | None = None) -> tuple[Runtimes, Runtime]:
    """Those of one server, which is not asked for anything."""
    settings = Settings(redis_url="redis://127.0.0.1:1/0", traces=traces)
    needed = ("link", "keys", "look", "invocations")
    store: Any = type("Store", (), dict.fromkeys(needed))()
    jobs: Any = type("Jobs", (), {"job": 0, "child_job": 0, "child_outputs": 0, "answer_url": 0})()
    lock = ReadersWriterLock(1.0)
    runtime = Runtime(store, settings, "w1", jobs, lambda queue: (), lock, store)
    return Runtimes([(store, runtime)], lock), runtime


def test_a_process_chooses_when_it_first_runs_something() -> None:
    """A provider that is configured by then counts, a later one does not."""
    found, plain = runtimes()
    with provider_set(None):
        assert found.of("j1") is plain
    with provider_set(TracerProvider(shutdown_on_exit=False)):
        assert found.of("j1") is plain
        later, plain = runtimes()
        traced = later.of("j1")
        assert isinstance(traced, TracedRuntime)
        assert traced.leases is plain.leases
        assert later.of("j2") is traced
        off, plain = runtimes(traces=False)
        assert off.of("j1") is plain


def test_a_child_process_chooses_for_itself() -> None:
    """It may configure a provider that its parent does not have."""
    found, plain = runtimes()
    with provider_set(None):
        assert found.of("j1") is plain
    found.choose_again()
    with provider_set(TracerProvider(shutdown_on_exit=False)):
        assert isinstance(found.of("j1"), TracedRuntime)
