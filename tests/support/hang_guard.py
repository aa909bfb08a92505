"""Every test ends, and a run that is terminated says which tests it was at.

When the limit of a test is over, pytest-timeout prints the stacks of all threads and raises an
error in the test, and the run goes on. It does so once, and a failure of the test switches it off.
So:

- the teardown of each test has the limit anew, also after a failure;
- ``leeway`` seconds after a limit the process ends with the stacks of its threads: the test has
  caught the error, or waits once more. xdist reports the test by its name and goes on with another
  process.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import time
from collections.abc import Generator
from typing import Any

import pytest
import xdist  # type: ignore[import-untyped]
from pytest_timeout import Settings  # type: ignore[import-untyped]


class HangGuard:
    """A plugin of pytest. ``leeway``: seconds."""

    def __init__(self, config: pytest.Config, leeway: float = 60.0) -> None:
        self._config = config
        self._leeway = leeway
        # Of the process: a test that runs has another one.
        self._stderr = os.dup(2)
        #: The tests that run, and since when.
        self._running: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """The process outlives the limit of a test by the leeway alone."""
        self._end_process_later(item)
        try:
            return (yield)
        finally:
            faulthandler.cancel_dump_traceback_later()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """Both limits begin anew."""
        settings = Settings(self._limit(item), "signal", False, False)
        item.config.hook.pytest_timeout_set_timer(item=item, settings=settings)
        self._end_process_later(item)

    def _end_process_later(self, item: pytest.Item) -> None:
        if limit := self._limit(item):
            limit += self._leeway
            faulthandler.dump_traceback_later(limit, file=self._stderr, exit=True)

    def _limit(self, item: pytest.Item) -> float:
        """Seconds of the test, by its mark or for all; 0: it has no limit."""
        if mark := item.get_closest_marker("timeout"):
            return float(mark.args[0])
        given = self._config.getoption("timeout")
        return float(self._config.getini("timeout") or 0 if given is None else given)

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """In the process that runs no test itself, but knows of all of them."""
        if xdist.is_xdist_controller(session):
            signal.signal(signal.SIGTERM, self._terminated)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test begins, in whichever process."""
        self._running[nodeid] = time.monotonic()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """It has ended."""
        self._running.pop(nodeid, None)

    def _terminated(self, *_: object) -> None:
        now = time.monotonic()
        for nodeid, since in self._running.items():
            os.write(self._stderr, f"\nterminated in {nodeid} after {now - since:.0f} s".encode())
        # With the failures so far.
        pytest.exit("terminated")
