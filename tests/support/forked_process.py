"""Programs in forks of a process that has their modules: a start without its imports."""

from __future__ import annotations

import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from flowforge.local.supervised_process import close_owned, own
from tests.support.environment import without_settings

ROOT = Path(__file__).parents[2]


class ForkedProcess:
    """``python -m MODULE ARGUMENTS``, with what SupervisedProcess says of a command."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        log: BinaryIO,
        *,
        cwd: Path,
        env: Mapping[str, str],
        kill_after: int,
    ) -> None:
        self._kill_after = kill_after
        wanted = {
            "module": module, "arguments": list(arguments), "cwd": str(cwd), "env": dict(env),
            "kill_after": kill_after,
        }  # fmt: skip
        request, request_end = os.pipe()
        leash, leash_end = os.pipe()
        status_end, status = os.pipe()
        self._leash: int | None = own(leash_end)
        self._status: int | None = own(status_end)
        socket.send_fds(_server(), [b"."], [request, log.fileno(), leash, status])
        for descriptor in (request, leash, status):
            os.close(descriptor)
        with os.fdopen(request_end, "w") as file:
            json.dump(wanted, file)
        self.group, self.pid = _numbers(status_end)

    @property
    def alive(self) -> bool:
        """Whether the program runs; False once it ended, whoever ended it."""
        return not self._ended(0)

    def _ended(self, timeout: float) -> bool:
        # Nothing follows the first line: what can be read is the end.
        if self._status is not None:
            ends = select.poll()
            ends.register(self._status, select.POLLIN)
            if ends.poll(timeout * 1000):
                close_owned(self._status)
                self._status = None
        return self._status is None

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
        if not self._ended(self._kill_after + 2):
            os.killpg(self.group, signal.SIGKILL)
            self._ended(self._kill_after)


def _numbers(status: int) -> tuple[int, int]:
    """The ids of the watching process, which leads the group, and of the program."""
    said = b""
    while not said.endswith(b"\n"):
        part = os.read(status, 100)
        if not part:
            raise OSError("the server of forks could not start the program")
        said += part
    group, program = map(int, said.split())
    return group, program


@functools.cache
def _server() -> socket.socket:
    """The connection to this process's server, which ends with it."""
    mine, its = socket.socketpair()
    own(mine.fileno())
    with its:
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.fork_server", str(its.fileno())],
            cwd=ROOT,
            env=without_settings(PYTHONUNBUFFERED="1"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[its.fileno()],
            start_new_session=True,
        )
    return mine
