"""Runs modules as programs, in forks of a process that has already made their imports.

``python -m tests.support.fork_server SOCKET``: for each message with four descriptors on the socket
it runs what the first of them says. It ends with its client, which is ``forked_process.py``.

Such a program is what ``python -m MODULE`` runs, with arguments, an environment and a folder of its
own. Only its modules were loaded earlier.
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
from typing import Any

#: What a worker has loaded before it imports the flows of its user, and what it loads for those.
#: Not the apps: they read the environment.
_MODULES = ("celery.bin.celery", "flowforge.joining", "flowforge.worker.lifecycle.startup")

#: Descriptors of a program that are closed in it.
_MOST_DESCRIPTORS = 256


def main() -> None:
    """Serve, and in a fork return when the program of that has ended."""
    _load()
    channel = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        said, descriptors, _, _ = socket.recv_fds(channel, 1, 4)
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


def _start(request: int, log: int, leash: int, status: int) -> None:
    """Be the one that watches over the program, and in a fork of it the program."""
    os.setsid()
    with os.fdopen(request) as file:
        wanted = json.load(file)
    os.dup2(log, 1)
    os.dup2(log, 2)
    program = os.fork()
    if program:
        os.write(status, f"{os.getpid()} {program}\n".encode())
        _watch(program, leash, wanted["kill_after"])
    _run(wanted)


def _watch(program: int, leash: int, kill_after: float) -> None:
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
    os.waitpid(program, 0)
    os.killpg(0, signal.SIGKILL)


def _run(wanted: dict[str, Any]) -> None:
    """As ``python -m`` runs a module."""
    os.closerange(3, _MOST_DESCRIPTORS)
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    search = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [wanted["cwd"], *filter(None, search)]
    sys.argv = ["", *wanted["arguments"]]
    runpy.run_module(wanted["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
