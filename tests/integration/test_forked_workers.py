"""Workers of tests that are forks of a process which has loaded their modules."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.integration.installation import Installation
from tests.integration.loaded_modules import FILE
from tests.support.eventually import eventually

LOADED = "tests.integration.loaded_modules"

#: Packages without code that the process has from which workers are forked.
OF_THE_SERVER = {"tests", "tests.support"}


@pytest.mark.parametrize("pool", ["prefork", "solo", "threads"])
def test_it_has_loaded_what_one_by_the_command_has(
    own: Installation, tmp_path: Path, pool: str
) -> None:
    """Neither more nor less, when the modules of its user are imported."""
    found = []
    for by_command in (True, False):
        path = tmp_path / str(by_command)
        env = {"FLOWFORGE_IMPORTS": LOADED, FILE: str(path)}
        own.fleet.start(pool=pool, env=env, by_command=by_command)
        found.append(set(path.read_text().split()) - OF_THE_SERVER)
    assert found[0] == found[1]


def test_it_ends_as_one_by_the_command_does(own: Installation) -> None:
    """By a signal to it, by one to its group, and when its owner lets go of it."""
    asked, killed, left = (own.fleet.start(pool="solo") for _ in range(3))
    own.fleet.terminate(asked)
    own.fleet.wait_until_ended(asked)
    assert "Warm shutdown" in asked.output()
    os.kill(killed.pid, signal.SIGKILL)
    own.fleet.wait_until_ended(killed)
    left.process.release()
    own.fleet.wait_until_ended(left)
    assert "Warm shutdown" in left.output()
    for worker in (asked, killed, left):
        eventually(lambda pid=worker.pid: _gone(pid), message="the process to go")  # type: ignore[misc]


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
