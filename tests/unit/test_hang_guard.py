"""A test that hangs fails by its name, wherever it hangs, and the run goes on."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.environment import without_settings
from tests.support.fleet import ROOT

#: Seconds that a run of such tests may take.
LIMIT = 100

_CONFTEST = """
import os
import threading
import pytest
from tests.support.hang_guard import HangGuard

def pytest_configure(config):
    config.pluginmanager.register(HangGuard(config, float(os.environ["LEEWAY"])))

def hang():
    threading.Event().wait()

@pytest.fixture
def in_setup():
    hang()

@pytest.fixture
def in_teardown():
    yield
    hang()

@pytest.fixture
def stubborn_in_teardown():
    yield
    while True:
        try:
            hang()
        except BaseException:
            pass

@pytest.fixture
def hanging():
    return hang
"""

_HANGS = """
def test_body(hanging): hanging()
def test_setup(in_setup): pass
def test_teardown(in_teardown): pass
def test_teardown_after_a_failure(in_teardown): assert False
def test_that_ends(): pass
"""

_STUBBORN = """
def test_teardown(stubborn_in_teardown): pass
def test_teardown_after_a_failure(stubborn_in_teardown): assert False
def test_that_ends(): pass
"""

_TERMINATED = """
def test_that_fails(): assert False, "a failure so far"
def test_that_runs(hanging): hanging()
"""


@contextmanager
def running(
    directory: Path, tests: str, *options: str, leeway: int = 60
) -> Iterator[subprocess.Popen[str]]:
    """pytest on a file of tests, in a process of xdist; its output is one text."""
    (directory / "conftest.py").write_text(_CONFTEST)
    (directory / "test_it.py").write_text(tests)
    words = ["-p", "xdist", "-p", "pytest_timeout", "-p", "no:cacheprovider", "-n1", *options]
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONUNBUFFERED": "1"}
    environment = without_settings(PYTHONPATH=str(ROOT), LEEWAY=str(leeway), **alone)
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", *words],
        cwd=directory, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def outcomes(said: str) -> list[tuple[str, str]]:
    """What pytest's summary says of tests that have not passed."""
    return re.findall(r"^(FAILED|ERROR) test_it.py::test_(\w+)", said, re.MULTILINE)


def test_a_test_that_hangs_fails_by_its_name(tmp_path: Path) -> None:
    """In its body and in what its fixtures do before and after, also after a failure."""
    with running(tmp_path, _HANGS, "--timeout=2") as process:
        said, _ = process.communicate(timeout=LIMIT)
    assert sorted(outcomes(said)) == [
        ("ERROR", "setup"),
        ("ERROR", "teardown"),
        ("ERROR", "teardown_after_a_failure"),
        ("FAILED", "body"),
        ("FAILED", "teardown_after_a_failure"),
    ], said
    assert said.count("Failed: Timeout (>2.0s) from pytest-timeout") >= 4
    assert re.search(r"\b2 passed\b", said), said


def test_a_test_that_goes_on_ends_its_process(tmp_path: Path) -> None:
    """It is told by its name, with the stacks of its threads; others run in another process."""
    with running(tmp_path, _STUBBORN, "--timeout=2", leeway=2) as process:
        said, _ = process.communicate(timeout=LIMIT)
    assert {*outcomes(said)} == {("FAILED", "teardown"), ("FAILED", "teardown_after_a_failure")}, (
        said
    )
    for name in ("teardown", "teardown_after_a_failure"):
        assert f"crashed while running 'test_it.py::test_{name}'" in said
    assert "in stubborn_in_teardown" in said
    assert re.search(r"\b2 passed\b", said), said


def test_a_run_that_is_terminated_says_what_runs(tmp_path: Path) -> None:
    """And for how long, and what has failed so far. Here nothing has a limit."""
    with running(tmp_path, _TERMINATED, "-v", "--timeout=0") as process:
        assert process.stdout is not None
        said = ""
        while "test_that_runs" not in said:
            said += process.stdout.read(1)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=LIMIT)
    assert re.search(r"terminated in test_it\.py::test_that_runs after \d+ s", said), said
    assert "AssertionError: a failure so far" in said
    assert process.returncode == pytest.ExitCode.INTERRUPTED
