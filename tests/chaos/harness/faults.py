"""Signals, sent to exactly the processes that are meant."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from random import Random

from flowforge.local.server import LocalServer
from tests.support.fleet import Worker


def children(pid: int) -> list[int]:
    """Direct children of a process, oldest first."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    if path.exists():
        with contextlib.suppress(OSError):
            return [int(part) for part in path.read_text().split()]
    table = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    pairs = (line.split() for line in table.splitlines())
    return sorted(int(child) for child, parent in pairs if int(parent) == pid)


def send(pid: int, number: signal.Signals) -> bool:
    """Send a signal; False when the process is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


def freeze(worker: Worker) -> list[int]:
    """SIGSTOP a worker and its pool; returns the processes, the parent first."""
    pids = [worker.pid]
    send(worker.pid, signal.SIGSTOP)
    pids += children(worker.pid)
    for pid in pids[1:]:
        send(pid, signal.SIGSTOP)
    return pids


def thaw(pids: list[int]) -> None:
    """SIGCONT what :func:`freeze` stopped."""
    for pid in reversed(pids):
        send(pid, signal.SIGCONT)


def interrupt(server: LocalServer, rng: Random, most: float = 1.0) -> None:
    """SIGKILL a server, and start it again after ``most`` seconds or less."""
    server.kill()
    time.sleep(rng.uniform(0.1, most))
    server.restart()
