"""What every test may use: a real server, a client and a key prefix of its own.

Tests share the server of their process. They stay apart by their prefixes: nothing is ever
flushed, so that tests can run side by side.
"""

from __future__ import annotations

import gc
import secrets
from collections.abc import Iterator

import celery.result
import hypothesis
import pytest
import redis

from flowforge.local.server import LocalServer
from tests.support.environment import settings_in_force
from tests.support.hang_guard import HangGuard
from tests.support.parts import PARTS


def pytest_configure(config: pytest.Config) -> None:
    """A test that hangs is a failure with a name."""
    config.pluginmanager.register(HangGuard(config))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end what was left out, and how to get it."""
    skipped = " ".join(str(report.longrepr) for report in terminalreporter.stats.get("skipped", ()))
    for part in PARTS:
        if f"{part.name}: none of" in skipped:
            terminalreporter.write_line(f"LEFT OUT: {part.name}. {part.get}", yellow=True)


#: Modules that take long. They begin first: left to the end, one of them would keep a single
#: process at work. Those that compute stand between those that wait for processes, so that there
#: is something to compute at any time.
_LONG = (
    "test_rounds", "test_recovery", "test_state_machine", "test_called_at_three", "test_embedded",
    "test_dashboard", "test_several_servers", "test_bench_functional", "test_tutorial_project",
    "test_security_acl", "test_schedule_machine", "test_docs", "test_dev", "test_broker",
    "test_limit_machine", "test_examples_kills", "test_hooks", "test_traces",
    "test_job_limit_machine", "test_tutorial", "test_wide", "test_logs", "test_pools",
    "test_server", "test_harness_can_fail",
)  # fmt: skip
_PLACES = {name: place for place, name in enumerate(_LONG)}


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep the garbage collector from what stays until the end: modules, and objects of 10,000
    tests. It would look through them again and again.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long modules first, as listed; all else stays in its order."""
    items.sort(key=lambda item: _PLACES.get(item.path.stem, len(_LONG)))


# How long an example takes says how loaded the machine is, and nothing of what is tested.
hypothesis.settings.register_profile(
    "flowforge", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("flowforge")


@pytest.fixture(scope="session")
def server() -> Iterator[LocalServer]:
    """A server without persistence; one for each pytest process."""
    with LocalServer.start() as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def may_wait_for_tasks() -> Iterator[None]:
    """No module leaves a process that may not wait for results; a pool of Celery's makes it so."""
    yield
    celery.result.assert_will_not_block()  # type: ignore[attr-defined]


@pytest.fixture
def redis_client(server: LocalServer) -> Iterator[redis.Redis]:
    """A client of the server that returns bytes."""
    with redis.Redis.from_url(server.url) as client:
        yield client


@pytest.fixture
def prefix() -> str:
    """The first part of every key of this test."""
    return f"t{secrets.token_hex(6)}"


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of whoever runs the tests stay out of this process."""
    for name in settings_in_force():
        monkeypatch.delenv(name)
