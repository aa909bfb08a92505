"""Programs in forks of a process that has their modules: a start without its imports."""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from flowforge.local.supervised_process import close_owned, own
from tests.support.environment import without_settings

ROOT = Path(__file__).parents[2]


class ForkedProcess:
    """``python -m PROGRAM ARGUMENTS``, or ``python PROGRAM ARGUMENTS`` if it is a file ``*.py``.

    Otherwise it is what SupervisedProcess is.
    """

    def __init__(
        self,
        program: str,
        arguments: Sequence[str],
        stdout: IO[bytes],
        stderr: IO[bytes],
        *,
        cwd: Path,
        env: Mapping[str, str],
        kill_after: int,
    ) -> None:
        self._kill_after = kill_after
        #: The exit status, or the negative number of a signal; None while the program runs.
        self.status: int | None = None
        wanted = {
            "program": program, "arguments": list(arguments), "cwd": str(cwd), "env": dict(env),
            "kill_after": kill_after,
        }  # fmt: skip
        request, request_end = os.pipe()
        leash, leash_end = os.pipe()
        answers, status = os.pipe()
        self._leash: int | None = own(leash_end)
        self._answers: int | None = own(answers)
        with open(os.devnull, "rb") as nothing:
            files = [nothing.fileno(), stdout.fileno(), stderr.fileno()]
            socket.send_fds(_server(), [b"."], [request, *files, leash, status])
        for descriptor in (request, leash, status):
            os.close(descriptor)
        with os.fdopen(request_end, "w") as file:
            json.dump(wanted, file)
        said = _line(answers)
        if not said:
            raise OSError("the server of forks could not start the program")
        self.group, self.pid = map(int, said.split())

    @property
    def alive(self) -> bool:
        """Whether the program runs; False once it ended, whoever ended it."""
        return not self.ended(0)

    def ended(self, timeout: float) -> bool:
        """Whether the program, with all of its group, ends within so many seconds."""
        if self._answers is not None:
            ends = select.poll()
            ends.register(self._answers, select.POLLIN)
            if ends.poll(timeout * 1000):
                said = _line(self._answers)
                # Then comes the end of the group, at once.
                self.status = int(said) if said else -signal.SIGKILL
                _line(self._answers)
                close_owned(self._answers)
                self._answers = None
        return self._answers is None

    def terminate(self) -> None:
        """SIGTERM the program and return at once."""
        if self.alive:
            os.kill(self.pid, signal.SIGTERM)

    def release(self) -> None:
        """Let the program be ended, and return at once."""
        if self._leash is not None:
            close_owned(self._leash)
            self._leash = None

    def end(self) -> None:
        """End the program and return when it is gone, after `kill_after` seconds at the latest."""
        self.release()
        if not self.ended(self._kill_after + 2):
            os.killpg(self.group, signal.SIGKILL)
            self.ended(self._kill_after)


def run_forked(
    program: str, *arguments: str, cwd: Path, env: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, as ``subprocess.run`` with its output captured as text."""
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = ForkedProcess(program, arguments, stdout, stderr, cwd=cwd, env=env, kill_after=5)
        in_time = process.ended(timeout)
        process.end()
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read().decode())
        if not in_time or process.status is None:
            raise subprocess.TimeoutExpired([program, *arguments], timeout, *texts)
        return subprocess.CompletedProcess([program, *arguments], process.status, *texts)


def _line(answers: int) -> bytes:
    """The next line; empty when the one that watches over the program has ended."""
    said = b""
    while not said.endswith(b"\n") and (part := os.read(answers, 1)):
        said += part
    return said


@functools.cache
def _server() -> socket.socket:
    """The connection to this process's server."""
    mine, its = socket.socketpair()
    own(mine.fileno())
    with its:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.fork_server", str(its.fileno())],
            cwd=ROOT,
            env=without_settings(PYTHONUNBUFFERED="1"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[its.fileno()],
            start_new_session=True,
        )
    atexit.register(_end, os.getpid(), mine, server)
    return mine


def _end(owner: int, connection: socket.socket, server: subprocess.Popen[bytes]) -> None:
    if os.getpid() == owner:
        connection.close()
        server.wait()
