"""A person who does what the page "from an empty folder" says, and sees what it shows."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from flowforge import JobState
from flowforge.local.server import LocalServer
from flowforge.local.supervised_process import SupervisedProcess
from tests.integration.dev_terminal import DevTerminal
from tests.integration.installation import LIMIT
from tests.integration.reader import assert_shows, comparable
from tests.support.eventually import eventually
from tests.support.pages import DOCS, Block

PAGE = DOCS / "tutorial/from-an-empty-folder.md"

#: Languages of the blocks that are done or seen.
LANGUAGES = ("console", "diff", "text", "sh")

_KILL = "flowforge dev --kill-worker"

#: The server of a fleet, on the page.
_SERVER = "redis://localhost:6379/0"

_JOB = re.compile(r"\b[0-9a-f]{4}-[0-9a-f]{20}\b")


class Newcomer:
    """Two terminals: one for commands, and one in which ``flowforge dev`` and the worker run.

    ``environment``: of both; its PATH leads to ``flowforge``. ``options``: of ``flowforge dev``.
    ``job``: the id that was printed last.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], *options: str) -> None:
        self.folder = folder
        self.job = ""
        self._environment = dict(environment)
        self._options = options
        self._terminal: DevTerminal | None = None
        #: Up to where the page has shown terminal 1.
        self._shown = 0
        self._server: LocalServer | None = None
        self._worker: SupervisedProcess | None = None

    @property
    def terminal(self) -> DevTerminal:
        """Terminal 1, once ``flowforge dev`` was started in it."""
        assert self._terminal is not None
        return self._terminal

    def enter(self, block: Block) -> list[str]:
        """Do what a block of the page says. The block as it is with what was seen in place of what
        it shows; AssertionError when that differs in more than times, ids and the like.
        """
        if block.language == "console":
            found = []
            for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                command, *shown = part.splitlines()
                found += [f"$ {command}", *self._command(command, shown)]
            return found
        if block.language == "text":
            return [self._see(line) for line in block.lines]
        if block.language == "diff":
            self._edit(block)
        else:
            for command in block.lines:
                self._command(command, [])
        return block.lines

    def end(self) -> None:
        """End what still runs."""
        if self._terminal is not None:
            self._terminal.end()
        if self._worker is not None:
            self._worker.end()
        if self._server is not None:
            self._server.stop()

    def _command(self, command: str, shown: list[str]) -> list[str]:
        if command == "flowforge dev":
            self._terminal = DevTerminal(
                self.folder, *self._options, environment=self._environment, tool=["flowforge"]
            )
        elif command.startswith("cd "):
            self.folder /= command.removeprefix("cd ")
        elif command.startswith("export "):
            self._export(command.removeprefix("export "))
        elif command.startswith("celery "):
            self._start_worker(command)
        else:
            return self._run(command, shown)
        return []

    def _run(self, command: str, shown: list[str]) -> list[str]:
        if command == _KILL:
            self._await_running()
        done = subprocess.run(
            ["bash", "-c", command.replace("JOB_ID", self.job)], cwd=self.folder,
            env=self._environment, capture_output=True, text=True, check=False, timeout=LIMIT * 2,
        )  # fmt: skip
        printed = f"{done.stdout}{done.stderr}"
        assert done.returncode == 0, f"{command}\n{printed}"
        if found := _JOB.search(done.stdout):
            self.job = found[0]
        return assert_shows(command, printed, shown)

    def _await_running(self) -> None:
        """Both prices run, each in a process of a worker."""
        engine = self.terminal.engine()
        try:
            job = JobState(self.job, engine)
            eventually(lambda: job.routine_states["price"]["running"] == 2, LIMIT)
        finally:
            engine.close()

    def _edit(self, block: Block) -> None:
        """Save the file with the block's first line in the place of its second."""
        old, new = (line[1:] for line in block.lines)
        source = self.folder / "shop/flows.py"
        text = source.read_text()
        assert text.count(f"{old}\n") == 1
        source.write_text(text.replace(old, new))

    def _see(self, line: str) -> str:
        """Wait until terminal 1 shows a line, behind those that the page has shown before."""
        self._shown, found = self.terminal.shows_line(line, comparable, self._shown)
        return found

    def _export(self, setting: str) -> None:
        """The address of a fleet's server: the development server has ended, and this one is
        there.
        """
        name, _, value = setting.partition("=")
        assert value == _SERVER
        if self._server is None:
            self.terminal.press(b"\x03")
            assert self.terminal.program.wait(LIMIT) == 0
            self._server = LocalServer.start(tempfile.mkdtemp(dir=self.folder.parent))
        self._environment[name] = self._server.url

    def _start_worker(self, command: str) -> None:
        """Return when the worker takes work."""
        log = self.folder.parent / "worker.log"
        with log.open("wb") as file:
            self._worker = SupervisedProcess(
                command.split(), file, cwd=self.folder, env=self._environment
            )
        eventually(lambda: b" ready." in log.read_bytes(), LIMIT, log.read_text)
