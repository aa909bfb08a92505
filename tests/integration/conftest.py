"""Installations: one for a module, or one of its own for a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge.local.server import LocalServer
from tests.integration.cli_shell import FLOWS, Shell
from tests.integration.installation import FAST, Installation, installed
from tests.integration.web_client import Browser, dashboard


@pytest.fixture(scope="module")
def prefork(
    server: LocalServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Shared by a module: one prefork worker with two processes, for every queue in use."""
    with installed(server, tmp_path_factory.mktemp("workers"), **FAST) as shared:
        shared.fleet.start(queues="celery,other")
        yield shared


@pytest.fixture
def own(server: LocalServer, tmp_path: Path) -> Iterator[Installation]:
    """For one test: fast recovery, no worker yet."""
    with installed(server, tmp_path, **FAST) as installation:
        yield installation


@pytest.fixture
def timed(server: LocalServer, tmp_path: Path) -> Iterator[Installation]:
    """For one test that moves the time of its fleet, by ``timed.clock``."""
    with installed(server, tmp_path, timed=True, **FAST) as installation:
        yield installation


@pytest.fixture
def own_slow(server: LocalServer, tmp_path: Path) -> Iterator[Installation]:
    """For one test: recovery so slow that nothing can be put down to it."""
    with installed(server, tmp_path, lease=300, heartbeat=60, unclaimed_grace=300) as installation:
        yield installation


@pytest.fixture(scope="module")
def fleet(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell for the command line, with a worker. Shared by a module."""
    with installed(server, tmp_path_factory.mktemp("cli"), (FLOWS,)) as shared:
        shared.fleet.start(pool="threads")
        yield Shell(shared)


@pytest.fixture
def idle(server: LocalServer, tmp_path: Path) -> Iterator[Shell]:
    """A shell for one test, without a worker, so that what is submitted stays."""
    with installed(server, tmp_path, (FLOWS,)) as installation:
        yield Shell(installation)


@pytest.fixture
def site(server: LocalServer, tmp_path: Path) -> Iterator[Installation]:
    """What a dashboard shows in one test: without a worker, so that jobs stay."""
    with installed(server, tmp_path) as installation:
        yield installation


@pytest.fixture
def admin(site: Installation) -> Iterator[Browser]:
    """A client of the site's dashboard that may do everything."""
    with dashboard(site.engine) as client:
        yield client
