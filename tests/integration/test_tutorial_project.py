"""The tutorial "from an empty folder": a project is made, developed, broken and mended as shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge import JobState
from tests.integration.cli_shell import clean_environment
from tests.integration.dev_terminal import DevTerminal
from tests.integration.installation import LIMIT
from tests.integration.reader import assert_shows, comparable
from tests.support.eventually import eventually
from tests.support.pages import DOCS, Block, blocks

pytestmark = pytest.mark.timeout(180)

PAGE = DOCS / "tutorial/from-an-empty-folder.md"

KILL = "flowforge dev --kill-worker"

_JOB = re.compile(r"\b[0-9a-f]{4}-[0-9a-f]{20}\b")


class Newcomer:
    """Two terminals: one for commands, and one in which ``flowforge dev`` runs.

    ``job``: the id that was printed last.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.job = ""
        self.terminal: DevTerminal | None = None
        #: Up to where the page has shown terminal 1.
        self._shown = 0

    def enter(self, block: Block) -> None:
        """Do what a block of the page says, and see what it shows."""
        if block.language == "console":
            for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                command, *shown = part.splitlines()
                self._command(command, shown)
        elif block.language == "diff":
            self._edit(block)
        elif block.language == "text":
            self._see(block)
        elif block.text == "flowforge dev\n":
            self.terminal = DevTerminal(self.folder, "--port", "0")
        else:
            self._command(block.text.strip(), [])

    def end(self) -> None:
        """End what runs in terminal 1."""
        if self.terminal is not None:
            self.terminal.end()

    def _command(self, command: str, shown: list[str]) -> None:
        if command.startswith("cd "):
            self.folder /= command.removeprefix("cd ")
            return
        if command == KILL:
            self._await_running()
        inherited = clean_environment()
        path = f"{Path(sys.executable).parent}{os.pathsep}{inherited['PATH']}"
        done = subprocess.run(
            ["bash", "-c", command.replace("JOB_ID", self.job)], cwd=self.folder,
            env={**inherited, "PATH": path}, capture_output=True, text=True, check=False,
            timeout=LIMIT * 2,
        )  # fmt: skip
        printed = f"{done.stdout}{done.stderr}"
        assert done.returncode == 0, f"{command}\n{printed}"
        assert_shows(command, printed, shown)
        if found := _JOB.search(done.stdout):
            self.job = found[0]

    def _await_running(self) -> None:
        """Both prices run, each in a process of a worker."""
        assert self.terminal is not None
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

    def _see(self, block: Block) -> None:
        """Wait until terminal 1 shows the lines, behind those that the page has shown before."""
        assert self.terminal is not None
        for line in block.lines:
            self._shown = self.terminal.shows_line(line, comparable, self._shown)


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    found = Newcomer(tmp_path)
    try:
        yield found
    finally:
        found.end()


def test_a_newcomer_sees_what_the_page_shows(newcomer: Newcomer) -> None:
    """From ``flowforge new`` to the commands of a fleet, and nothing runs at the end."""
    for block in blocks(PAGE, "console", "diff", "text", "sh"):
        newcomer.enter(block)
    assert newcomer.terminal is not None
    newcomer.terminal.press(b"\x03")
    assert newcomer.terminal.program.wait(LIMIT) == 0
    assert "docker compose up" in (newcomer.folder / "compose.yaml").read_text()
