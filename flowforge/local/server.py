"""A private Redis or Valkey server that never outlives the process that started it."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import BinaryIO, Self

from flowforge.errors import ConfigurationError, StoreUnavailableError
from flowforge.local.binary import find_binary
from flowforge.local.supervised_process import SupervisedProcess, close_owned, own

if sys.platform != "win32":
    import fcntl

#: Seconds until a new server must answer; reading its data back may take LOADING_LIMIT.
START_LIMIT = 10.0
LOADING_LIMIT = 300.0
#: Seconds to wait for a data directory: the server of an owner that just died is still closing.
LOCK_LIMIT = 2.0
#: Seconds between two looks at something that takes a few milliseconds.
POLL = 0.005
#: Below the ephemeral range of Linux and macOS: a client that keeps reconnecting to a dead server
#: is never given the server's own port (it would connect to itself and block a restart).
PORTS = range(20000, 32768)
#: Servers to try when other programs win the race for a free port.
PORT_ATTEMPTS = 20
#: Bytes of the server's log that an error shows.
LOG_TAIL = 2000

#: What a server keeps in its data directory, beside the lock.
_KEPT = ("appendonlydir", "dump.rdb")

#: What makes the server private to its owner; ``config`` may not change it.
_RESERVED = frozenset(
    {"bind", "daemonize", "dir", "include", "logfile", "port", "requirepass", "user"}
)


class LocalServer:
    """One server process on 127.0.0.1 with a random password. Made by :meth:`start`.

    ``pid`` is the server's, ``url`` carries the password, ``directory`` holds its configuration
    and its log and goes away with it. A forked child can use the server but not end it.
    """

    def __init__(
        self, binary: str, port: int, data_dir: Path | None, config: Mapping[str, str]
    ) -> None:
        self.port = port
        self.pid = 0
        self.directory = Path()
        self.data_dir = data_dir
        self._binary = binary
        self._config = dict(config)
        self._password = secrets.token_hex(32)
        self._owner = os.getpid()
        self._process: SupervisedProcess | None = None

    @classmethod
    def start(
        cls,
        data_dir: str | None = None,
        *,
        port: int | None = None,
        config: Mapping[str, str] = MappingProxyType({}),
    ) -> Self:
        """Start a server and return when it answers.

        Without `data_dir` nothing is kept on disk; with it every write is appended to a file there
        and synced once a second. `config` holds further directives as ``redis.conf`` spells them.

        Raises ConfigurationError when there is no usable server program, when a directive is
        reserved or when another server uses `data_dir`; StoreUnavailableError, with the end of the
        server's log, when the server does not come up.
        """
        _check_directives(config)
        binary = find_binary()
        directory = None if data_dir is None else _make_directory(data_dir)
        for _ in range(PORT_ATTEMPTS - 1 if port is None else 0):
            with contextlib.suppress(_PortTakenError):
                return cls(binary, _free_port(), directory, config)._launch()
        return cls(binary, port or _free_port(), directory, config)._launch()

    @property
    def url(self) -> str:
        """The ``redis://`` URL of database 0, password included."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    @property
    def alive(self) -> bool:
        """Whether the server runs; False once it ended, whoever ended it."""
        if os.getpid() != self._owner:
            return _greet(self.port, self._password).endswith(b"+PONG\r\n")
        return self._process is not None and self._process.alive

    def stop(self) -> None:
        """End the server and return when it is gone. No effect when it is, or in a forked child."""
        if self._process is not None:
            self._process.end()

    def kill(self) -> None:
        """SIGKILL the server and return when it is gone, as if it had crashed."""
        if self._process is not None:
            self._process.kill()

    def restart(self) -> None:
        """Start again, after ending what runs: same URL, and the same data if it has a `data_dir`.

        Raises what :meth:`start` raises, and ConfigurationError in a forked child.
        """
        if os.getpid() != self._owner:
            raise ConfigurationError("a forked child cannot restart the server of its parent")
        self.stop()
        self._launch()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} port={self.port} pid={self.pid}>"

    def _launch(self) -> Self:
        self.directory = Path(tempfile.mkdtemp(prefix="flowforge-"))
        try:
            self._write_config()
            # Open for reading too: the log must be readable after the watchdog removed the file.
            with (self.directory / "server.log").open("w+b") as log:
                self._process = self._spawn(log)
                self.pid = self._process.pid
                self._wait_until_ready(self._process, log)
        except BaseException:
            self.stop()
            shutil.rmtree(self.directory, ignore_errors=True)
            raise
        return self

    def _write_config(self) -> None:
        """Write what the server reads at its start; a file, since others can see its arguments."""
        directives = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "requirepass": self._password,
            "daemonize": "no",
            "save": '""',
            "appendonly": "no" if self.data_dir is None else "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            **self._config,
        }
        path = self.directory / "server.conf"
        path.touch(mode=0o600)
        path.write_text("".join(f"{name} {value}\n" for name, value in directives.items()))

    def _spawn(self, log: BinaryIO) -> SupervisedProcess:
        """Start the server in its data directory.

        It inherits the directory's lock, which is free again exactly when the server has ended.
        """
        lock = None if self.data_dir is None else _lock(self.data_dir)
        try:
            return SupervisedProcess(
                [self._binary, str(self.directory / "server.conf")],
                log,
                cwd=self.data_dir or self.directory,
                remove=self.directory,
                keep=() if lock is None else (lock,),
                umask=0o077,
            )
        finally:
            if lock is not None:
                close_owned(lock)

    def _wait_until_ready(self, process: SupervisedProcess, log: BinaryIO) -> None:
        started = time.monotonic()
        limit = START_LIMIT
        while process.alive and time.monotonic() - started < limit:
            # The password tells this server from another one that won the race for the port.
            answer = _greet(self.port, self._password)
            if answer == b"+OK\r\n+PONG\r\n":
                return
            if b"-LOADING" in answer:
                limit = LOADING_LIMIT
            time.sleep(POLL)
        tail = _tail(log)
        kind = _PortTakenError if "ddress already in use" in tail else StoreUnavailableError
        raise kind(
            f"{self._binary} did not come up on port {self.port} within "
            f"{time.monotonic() - started:.1f} s; the end of its log:\n{tail}"
        )


class _PortTakenError(StoreUnavailableError):
    """Another process listens on the port."""


def _check_directives(config: Mapping[str, str]) -> None:
    for name, value in config.items():
        if name.lower() in _RESERVED:
            raise ConfigurationError(f"directive {name!r} is reserved: LocalServer sets it itself")
        if "\n" in name + value:
            raise ConfigurationError(f"directive {name!r} holds a line break")


def _make_directory(data_dir: str) -> Path:
    directory = Path(data_dir).expanduser().absolute()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"data_dir {data_dir!r} cannot be created: {error}") from error
    return directory


def delete_data(directory: Path) -> None:
    """Delete what a server has kept in its data directory, and nothing else that is there.

    ConfigurationError while a server uses it.
    """
    if not directory.is_dir():
        return
    lock = _lock(directory)
    try:
        for name in _KEPT:
            path = directory / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    finally:
        close_owned(lock)


def _lock(directory: Path) -> int:
    """Take the directory's lock and return its descriptor; ConfigurationError if another has it."""
    lock = own(_open_lock(directory / "flowforge.lock"))
    deadline = time.monotonic() + LOCK_LIMIT
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            if time.monotonic() > deadline:
                close_owned(lock)
                raise ConfigurationError(
                    f"data_dir {str(directory)!r} is in use by another live server: end the process"
                    " that started it, share that server through FLOWFORGE_REDIS_URL, or take"
                    " another directory"
                ) from None
        time.sleep(POLL)


def _open_lock(path: Path) -> int:
    """Open or make the file itself: a link would let whoever may write to the directory choose a
    file of the owner's. ConfigurationError when that is not possible.
    """
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        what = "is a link" if path.is_symlink() else f"cannot be opened: {error.strerror}"
        raise ConfigurationError(
            f"{str(path)!r} {what}; take a data_dir that is yours and that only you can write to"
        ) from error


def _free_port() -> int:
    for _ in range(1000):
        port = secrets.choice(PORTS)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise StoreUnavailableError(f"no port from {PORTS.start} to {PORTS.stop - 1} is free")


def _greet(port: int, password: str) -> bytes:
    """What the server answers to AUTH and PING; empty when nothing does."""
    answer = b""
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection,
    ):
        connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
        while answer.count(b"\r\n") < 2 and (part := connection.recv(1024)):
            answer += part
    return answer


def _tail(log: BinaryIO) -> str:
    log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_TAIL))
    return log.read().decode(errors="replace")
