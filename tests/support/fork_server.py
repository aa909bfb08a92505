"""Runs modules and scripts as programs, in forks of a process that has made their imports already.

``python -m tests.support.fork_server SOCKET``: for each message with descriptors on the socket it
runs what the first of them says. It ends with its client, which is ``forked_process.py``.

Such a program is what ``python -m MODULE`` or ``python SCRIPT`` runs, with arguments, environment
and folder of its own. Only its modules were loaded earlier.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

#: What a worker has loaded before it imports the flows of its user, and what it loads for those.
#: Not the apps: they read the environment.
_MODULES = ("celery.bin.celery", "flowforge.joining", "flowforge.worker.lifecycle.startup")

#: What comes with a message: what to run, its three standard files, the leash and the status.
DESCRIPTORS = 6

#: How many descriptors are closed in a program before it runs.
_MOST_DESCRIPTORS = 256


def main() -> None:
    """Serve, and in a fork return when the program of that has ended."""
    _load()
    channel = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        said, descriptors, _, _ = socket.recv_fds(channel, 1, DESCRIPTORS)
        if not said:
            return None
        if os.fork() == 0:
            channel.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _start(*descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _load() -> None:
    for name in _MODULES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def _reap() -> None:
    """Take note of the forks that have ended, so that their time counts as that of this process."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _start(request: int, stdin: int, stdout: int, stderr: int, leash: int, status: int) -> None:
    """Be the one that watches over the program, and in a fork of it the program."""
    os.setsid()
    with os.fdopen(request) as file:
        wanted = json.load(file)
    program = os.fork()
    if program:
        for descriptor in (stdin, stdout, stderr):
            os.close(descriptor)
        os.write(status, f"{os.getpid()} {program}\n".encode())
        _watch(program, leash, status, wanted["kill_after"])
    for place, descriptor in enumerate((stdin, stdout, stderr)):
        os.dup2(descriptor, place)
    _run(wanted)


def _watch(program: int, leash: int, status: int, kill_after: float) -> None:
    """End the program with its owner, and what is left of its group with the program."""

    def end() -> None:
        os.read(leash, 1)
        with contextlib.suppress(ProcessLookupError):
            os.kill(program, signal.SIGTERM)
            time.sleep(kill_after)
            os.kill(program, signal.SIGKILL)

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os.kill(program, signal.SIGTERM))
    threading.Thread(target=end, daemon=True).start()
    code = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
    os.write(status, f"{code}\n".encode())
    os.killpg(0, signal.SIGKILL)


def _run(wanted: dict[str, Any]) -> None:
    """As ``python -m MODULE`` and ``python SCRIPT`` do."""
    os.closerange(3, _MOST_DESCRIPTORS)
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    search = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    program = wanted["program"]
    sys.argv = [program, *wanted["arguments"]]
    if program.endswith(".py"):
        sys.path[:1] = [str(Path(program).resolve().parent), *filter(None, search)]
        runpy.run_path(str(Path(program).resolve()), run_name="__main__")
    else:
        sys.path[:1] = [wanted["cwd"], *filter(None, search)]
        runpy.run_module(program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
