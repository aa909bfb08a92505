"""``flowforge watch``: the progress of a job, on a terminal and without one."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import signal
import struct
import sys
import termios
import threading
from pathlib import Path

from flowforge import JobState
from flowforge.local.server import LocalServer
from tests.integration.cli_shell import Shell, start
from tests.integration.flows import Square, countdown, fan_of, slow_then_echo
from tests.integration.installation import FAST, LIMIT, Installation, installed
from tests.support.eventually import eventually
from tests.support.screen import Screen


class Terminal(threading.Thread):
    """A program on a terminal, and what a person sees there."""

    def __init__(self, shell: Shell, *arguments: str, width: int = 80) -> None:
        super().__init__(daemon=True)
        self.screen = Screen(width)
        self._lock = threading.Lock()
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._master, slave = os.openpty()
        size = struct.pack("HHHH", 24, width, 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)
        env = {**shell.environment(), "TERM": "xterm"}
        command = [sys.executable, "-m", "flowforge.cli", *arguments]
        ends = {"stdout": slave, "stderr": slave, "stdin": slave}
        self.program = start(command, env, **ends, start_new_session=True)
        os.close(slave)
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError):  # how Linux reports the end of a terminal
            while part := os.read(self._master, 65536):
                with self._lock:
                    self.screen.write(self._decoder.decode(part))

    def shows(self, text: str) -> bool:
        with self._lock:
            return any(text in line for line in self.screen.lines)

    def end(self) -> list[str]:
        """What is there when the program has ended, whose exit status is in ``program``."""
        self.program.wait(LIMIT)
        self.join(LIMIT)
        os.close(self._master)
        return self.screen.lines


def wide(tmp_path: Path, count: int = 800) -> JobState:
    """split 1 -> convert ``count``: the share of each is known as soon as the first has ended."""
    params = {"count": count, "log": str(tmp_path / "log"), "pause": 0.01}
    return fan_of(Square, "wide").execute("fan", params)


def test_a_terminal_shows_one_table(own: Installation, tmp_path: Path) -> None:
    """It is drawn again in its place.

    Without a terminal there is a line when something has changed, and no colour.
    """
    job = wide(tmp_path)
    terminal = Terminal(Shell(own), "watch", job.job_id)
    plain = Shell(own).program("watch", job.job_id)
    assert plain.stdout is not None
    assert plain.stdout.readline() == "pending    fan 0/1 0%\n"
    eventually(lambda: terminal.shows(": pending"), LIMIT, message="the first table")
    own.fleet.start(pool="threads", concurrency=2)
    eventually(lambda: terminal.shows("% "), LIMIT, message="a percentage")
    lines = terminal.end()
    assert terminal.program.returncode == 0
    assert terminal.screen.cursor_shown
    assert [line for line in lines if line.startswith("ROUTINE")] == [lines[4]]
    assert lines[0].startswith(f"job {job.job_id}: completed")
    assert lines[1] == "[####################] 100%  801 of 801 invocations"
    assert lines[5].split()[:3] == ["fan", "1/1", "100%"]
    assert lines[6].split()[:3] == ["it", "800/800", "100%"]
    assert lines[7].startswith(f"job {job.job_id} completed in")

    out, _ = plain.communicate(timeout=LIMIT)
    assert plain.returncode == 0
    assert "\x1b" not in out
    said = out.splitlines()
    said = said[: said.index("completed  it 800/800 100%") + 1]
    shares = [line.split("  it ")[1].split("/800 ")[0] for line in said if "/800 " in line]
    assert len(shares) > 2
    assert [int(share) for share in shares] == sorted({int(share) for share in shares})


def test_progress_outlives_an_outage(tmp_path: Path) -> None:
    """The server is killed and comes back: the watchers say so, and end with the job."""
    with (
        LocalServer.start(str(tmp_path / "data"), config={"appendfsync": "always"}) as server,
        installed(server, tmp_path, **FAST) as own,
    ):
        own.fleet.start(pool="threads", concurrency=2)
        gate = tmp_path / "gate"
        job = slow_then_echo("held").execute(
            "slow", {"log": str(tmp_path / "log"), "gate": str(gate)}
        )
        shell = Shell(own)
        terminal = Terminal(shell, "watch", job.job_id)
        plain = shell.program("watch", job.job_id)
        assert plain.stdout is not None
        assert plain.stderr is not None
        eventually(lambda: terminal.shows("1 running"), LIMIT, message="the running handler")
        assert plain.stdout.readline().startswith("running  ")
        server.kill()
        assert "does not answer" in plain.stderr.readline()
        eventually(lambda: terminal.shows("; no answer from the server for "), LIMIT)
        server.restart()
        assert plain.stderr.readline() == "the server answers again\n"
        eventually(lambda: not terminal.shows("no answer"), LIMIT)
        gate.touch()
        lines = terminal.end()
        assert terminal.program.returncode == 0
        assert lines[0].startswith(f"job {job.job_id}: completed")
        assert len([line for line in lines if line.startswith("ROUTINE")]) == 1
        out, err = plain.communicate(timeout=LIMIT)
        assert (plain.returncode, err) == (0, "")
        assert "completed  " in out
        assert "echo 1/1 100%" in out
        assert f"job {job.job_id} completed in" in out


def test_ctrl_c_leaves_the_terminal_as_it_was(own: Installation) -> None:
    """With the latest table, what becomes of the job, and status 130."""
    job = countdown().execute("it", {"n": 1})
    terminal = Terminal(Shell(own), "watch", job.job_id)
    eventually(lambda: terminal.shows("1 queued"), LIMIT, message="the first table")
    terminal.program.send_signal(signal.SIGINT)
    lines = terminal.end()
    assert terminal.program.returncode == 130
    assert terminal.screen.cursor_shown
    assert any(line.startswith(f"interrupted; job {job.job_id} goes on") for line in lines)
    assert not any("Traceback" in line for line in lines)
    assert job.status == "pending"


def test_what_is_known_of_a_job(own: Installation, tmp_path: Path) -> None:
    """Before, while and after it runs: with emissions that are staged, and with a pause."""
    job = wide(tmp_path, 1000)
    begun = job.progress()
    assert (begun.status, begun.done, begun.total, begun.percent) == ("pending", 0, 1, None)
    assert begun.waiting == {"queued": 1}
    own.fleet.start(pool="threads", concurrency=2)
    eventually(lambda: job.progress().done > 10)
    job.pause()
    job.wait(LIMIT)
    held = job.progress()
    fan, it = held.routines
    assert (fan.done, fan.total, fan.total_is_final) == (1, 1, True)
    assert (it.total, it.total_is_final, it.is_estimate) == (1000, True, False)
    assert held.done == 1 + it.done < held.total == 1001
    assert sum(held.waiting.values()) == 1000 - it.done
    assert held.percent == 100 * held.done // 1001
    job.resume()
    ended = job.wait(LIMIT).progress()
    assert (ended.done, ended.total, ended.percent) == (1001, 1001, 100)
    assert ended.ended_at is not None
