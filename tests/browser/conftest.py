"""A browser, and a dashboard for it to look at."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Response,
    sync_playwright,
)
from starlette.routing import compile_path

from flowforge.local.server import LocalServer
from flowforge.web.views import PAGES
from tests.integration.cli_shell import Shell
from tests.integration.installation import FAST, Installation, installed
from tests.support.parts import CHROMIUM

#: Milliseconds until whatever a test waits for must be there; reached only when something hangs.
LIMIT = 25_000


#: The addresses of the actions, below the root.
_ACTIONS = {page.action: compile_path(page.path)[0] for page in PAGES if page.method == "POST"}


def _done(response: Response) -> str:
    """The action whose form has been sent with success; empty for anything else."""
    request = response.request
    if request.method != "POST" or response.status != 303:
        return ""
    path = re.sub(r"^\w+://[^/]+|\?.*$", "", request.url)
    return next((name for name, one in _ACTIONS.items() if one.match(path)), "")


def _told(complaint: ConsoleMessage) -> str:
    return f"{complaint.text} {complaint.location.get('url', '')}"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium: Playwright's own is not installed."""
    program = CHROMIUM.needed()
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def site(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Shared by a module: a worker with two processes that runs the flows of these tests."""
    directory = tmp_path_factory.mktemp("browser")
    # Links of answers have this address; the tests open their paths on that of the dashboard.
    options = {**FAST, "dashboard_url": "http://flows.example"}
    with installed(server, directory, ("tests.browser.flows",), **options) as installation:
        installation.fleet.start(concurrency=2)
        yield installation


@pytest.fixture(scope="module")
def link(site: Installation) -> Iterator[str]:
    """What ``flowforge ui`` prints: the address of the dashboard, with the token."""
    with Shell(site).program("ui", "--port", "0", stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split(" ", 1)[1].strip()
        process.terminate()
        # It ends what it does, and then as the signal says.
        assert process.wait(LIMIT / 1000) == -signal.SIGTERM


@pytest.fixture
def context(
    browser: Browser, link: str, request: pytest.FixtureRequest
) -> Iterator[BrowserContext]:
    """A user who has logged in; whatever the browser complains of fails the test, and an action
    that the test is marked with and does not do.
    """
    address = link.partition("/login")[0]
    made = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=address)
    made.set_default_timeout(LIMIT)
    complaints: list[str] = []
    made.on("console", lambda one: complaints.append(_told(one)) if one.type == "error" else None)
    made.on("weberror", lambda one: complaints.append(str(one.error)))
    done: set[str] = set()
    made.on("response", lambda one: done.add(_done(one)))
    made.new_page().goto(link)
    yield made
    made.close()
    marks = request.node.iter_markers("does")
    assert {name for mark in marks for name in mark.args} - done == set()
    # A page that says that something cannot be done has that status.
    assert [one for one in complaints if "status of 409" not in one] == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.pages[0]


@pytest.fixture
def pictures() -> Path:
    """Where screenshots go, as artefacts of the build."""
    path = Path(os.environ.get("FLOWFORGE_SCREENSHOTS", "build/screenshots"))
    path.mkdir(parents=True, exist_ok=True)
    return path
