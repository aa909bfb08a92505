"""``flowforge top``: on a terminal of its own, over an outage, and as text and JSON."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import re
import signal
import struct
import sys
import termios
import threading
from pathlib import Path

import pytest

from flowforge import Flow, JobState
from flowforge.local.server import LocalServer
from tests.integration.cli_flows import finish
from tests.integration.cli_shell import Shell, start
from tests.integration.installation import FAST, LIMIT, installed
from tests.support.eventually import eventually

pytestmark = pytest.mark.usefixtures("no_settings")

_PIECES = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])|[\r\n]|[^\x1b\r\n]+")


class FullScreen(threading.Thread):
    """A program on a terminal whose whole screen it takes, and what a person sees there."""

    def __init__(self, shell: Shell, *arguments: str, size: tuple[int, int] = (80, 24)) -> None:
        super().__init__(daemon=True)
        self._lock = threading.Lock()
        self._rows: dict[int, str] = {}
        self._row = self._column = 0
        self.other_screen = False
        self.cursor_shown = True
        #: Everything that was written.
        self.text = ""
        self._master, slave = os.openpty()
        self.resize(*size)
        self._before = termios.tcgetattr(slave)
        self.slave = slave
        env = {**shell.environment(), "TERM": "xterm"}
        command = [sys.executable, "-m", "flowforge.cli", *arguments]
        ends = {"stdout": slave, "stderr": slave, "stdin": slave}
        self.program = start(command, env, **ends, start_new_session=True)
        self.start()

    def run(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")()
        left = ""
        with contextlib.suppress(OSError):  # how Linux reports the end of a terminal
            while part := os.read(self._master, 65536):
                text = left + decoder.decode(part)
                cut = text.rfind("\x1b")
                whole = cut < 0 or _PIECES.match(text, cut) is not None
                text, left = (text, "") if whole else (text[:cut], text[cut:])
                with self._lock:
                    self.text += text
                    self._write(text)

    def _write(self, text: str) -> None:
        for piece in _PIECES.finditer(text):
            if piece[3]:
                self._obey(piece[1] + piece[2], piece[3])
            elif piece[0] == "\r":
                self._column = 0
            elif piece[0] == "\n":
                self._row += 1
            else:
                row = self._rows.get(self._row, "").ljust(self._column)
                end = self._column + len(piece[0])
                self._rows[self._row] = row[: self._column] + piece[0] + row[end:]
                self._column = end

    def _obey(self, number: str, what: str) -> None:
        if number == "?1049":
            self.other_screen = what == "h"
        elif number == "?25":
            self.cursor_shown = what == "h"
        elif what == "H":
            self._row = self._column = 0
        elif what == "K":
            self._rows[self._row] = self._rows.get(self._row, "")[: self._column]
        elif what == "J":
            self._rows = {at: row for at, row in self._rows.items() if at <= self._row}

    @property
    def lines(self) -> list[str]:
        with self._lock:
            return [
                self._rows.get(at, "").rstrip() for at in range(max(self._rows, default=-1) + 1)
            ]

    def shows(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    def row_of(self, job: JobState) -> bool:
        """Whether the row of this job is the chosen one."""
        return any(line.startswith(">") and job.job_id in line for line in self.lines)

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def see(self, text: str) -> None:
        eventually(lambda: self.shows(text), LIMIT, lambda: f"{text!r} on {self.lines}")

    def end(self) -> int:
        """The exit status; the terminal has to be as it was."""
        status = self.program.wait(LIMIT)
        eventually(lambda: not self.other_screen and self.cursor_shown, LIMIT)
        assert termios.tcgetattr(self.slave) == self._before
        os.close(self.slave)
        self.join(LIMIT)
        os.close(self._master)
        return status


def numbers(count: int = 1) -> list[JobState]:
    flow = Flow("numbers")
    flow.add_routine(finish, "finish")
    return [flow.execute("finish", {"n": n}) for n in range(count)]


def test_keys_and_a_resize(idle: Shell) -> None:
    """A job is found, opened, paused after a question, and resumed; the frame fits each size."""
    jobs = numbers(2)
    screen = FullScreen(idle, "top")
    screen.see("jobs: 2 pending")
    assert screen.other_screen
    assert not screen.cursor_shown
    assert len(screen.lines) == 24
    # Jobs of the same millisecond are in the order of their ids, which is none.
    (second,) = eventually(lambda: [job for job in jobs if screen.row_of(job)], LIMIT)
    (first,) = (job for job in jobs if job is not second)
    screen.press("j")
    eventually(lambda: screen.row_of(first), LIMIT)
    screen.press("\r")
    screen.see(f"job {first.job_id} of flow numbers: pending")
    screen.see("no worker reports that it serves")
    screen.press("p")
    screen.see(f"pause job {first.job_id}? y or n")
    screen.see("Nothing is lost.")
    assert first.status == "pending"
    screen.press("y")
    screen.see(f"job {first.job_id} of flow numbers: paused")
    screen.press("\x1b")
    screen.see("1 paused")
    screen.press("/paused\r")
    eventually(lambda: screen.row_of(first) and not screen.shows(second.job_id), LIMIT)
    screen.press("ry")
    eventually(lambda: first.status != "paused", LIMIT)
    screen.resize(60, 10)
    eventually(lambda: len(screen.lines) == 10, LIMIT)
    assert max(map(len, screen.lines)) <= 60
    screen.resize(0, 0)  # as the terminals of some containers say
    eventually(lambda: len(screen.lines) == 24, LIMIT)
    screen.press("\t")
    screen.see("[2 routines]")
    screen.press("4")
    screen.see("no worker is there; start one: flowforge worker")
    screen.press("q")
    assert screen.end() == 0
    (pause,) = first.pause_points
    assert "@" in pause["by"]
    told = idle.json("audit")
    assert [(one["action"], one["outcome"]) for one in told] == [
        ("resume", "done"), ("pause", "done"),
    ]  # fmt: skip


def test_an_outage_of_the_server(tmp_path: Path) -> None:
    """It says so, goes on, and shows the jobs again when the server is back."""
    with (
        LocalServer.start(str(tmp_path / "data"), config={"appendfsync": "always"}) as server,
        installed(server, tmp_path, **FAST) as own,
    ):
        numbers()
        screen = FullScreen(Shell(own), "top")
        screen.see("jobs: 1 pending")
        server.kill()
        screen.see("no answer")
        screen.press("?")
        screen.see("Tab, 1 to 4")
        screen.press(" ")
        server.restart()
        eventually(lambda: not screen.shows("no answer"), LIMIT)
        screen.see("jobs: 1 pending")
        screen.press("q")
        assert screen.end() == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_gives_the_terminal_back(idle: Shell, number: signal.Signals, status: int) -> None:
    screen = FullScreen(idle, "top")
    screen.see("no jobs yet")
    screen.program.send_signal(number)
    assert screen.end() == status
    assert "Traceback" not in screen.text


def test_no_colour_where_none_is_wanted(idle: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR: bold and reversed text alone."""
    monkeypatch.setenv("NO_COLOR", "1")
    numbers()
    screen = FullScreen(idle, "top")
    screen.see("jobs: 1 pending")
    screen.press("q")
    screen.end()
    assert set(re.findall(r"\x1b\[([0-9;]*)m", screen.text)) <= {"0", "1", "7", "1;7"}


def test_without_a_terminal(idle: Shell) -> None:
    """It says what else there is; --once prints a view, and --json all of them."""
    (job,) = numbers()
    assert "use --once, --json" in idle.run("top", code=2).stderr
    lines = idle.run("top", "--once").stdout.splitlines()
    assert lines[1].startswith("jobs: 1 pending, 0 running")
    assert any(job.job_id in line for line in lines)
    assert "no such jobs" in idle.run("top", "--once", "--search", "failed").stdout
    assert "celery  unserved" in idle.run("top", "--once", "--view", "queues").stdout
    data = idle.json("top")
    assert data["counts"]["pending"] == 1
    assert [one["job_id"] for one in data["jobs"]] == [job.job_id]
    assert data["servers"][0]["queues"][0]["waiting"] == 1
