"""The folder ``.flowforge`` of a project: what its development server keeps, and where it is.

``dev.lock`` is locked as long as the development server lives, so what ``dev.json`` says of a dead
one is believed by no command.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from flowforge.errors import ConfigurationError

if sys.platform != "win32":
    import fcntl

FOLDER = ".flowforge"
#: Where the private server keeps its data.
DATA = "data"

_LOCK, _RECORD = "dev.lock", "dev.json"

#: Seconds for which a command that just looks may hold the lock.
_LOOKING = 1.0


@dataclass(frozen=True)
class DevRecord:
    """What other commands in the folder need of its development server."""

    pid: int
    redis_url: str
    prefix: str
    imports: tuple[str, ...]

    def variables(self) -> dict[str, str]:
        """As environment variables of a program that submits jobs to it."""
        return {"FLOWFORGE_REDIS_URL": self.redis_url, "FLOWFORGE_PREFIX": self.prefix}


class Place:
    """The folder of one development server. ``project``: the folder that it is in."""

    def __init__(self, project: Path) -> None:
        self.folder = project / FOLDER
        self.data = self.folder / DATA

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Make the folder, and keep other development servers out of it.

        ConfigurationError when one runs there, or when the folder cannot be written.
        """
        if self.folder.is_symlink():
            raise ConfigurationError(f"{self.folder} is a link: remove it, a folder is made there")
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            if not _is_own(os.stat(self.folder, follow_symlinks=False)):
                raise ConfigurationError(
                    f"{self.folder} belongs to another user: remove it, or work in another folder"
                )
            if self.data.is_symlink():
                raise ConfigurationError(
                    f"{self.data} is a link: remove it, or name a folder in FLOWFORGE_DATA_DIR"
                )
            self._ignore()
            descriptor = os.open(
                self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise ConfigurationError(f"{self.folder} cannot be written: {error}") from error
        try:
            self._lock(descriptor)
            try:
                yield
            finally:
                (self.folder / _RECORD).unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def publish(self, record: DevRecord) -> None:
        """Tell other commands of the folder. The file is the user's alone: it has the password."""
        path = self.folder / _RECORD
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(record), file)

    def _ignore(self) -> None:
        """Keep the folder out of Git, without writing to where a link of this name leads."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(self.folder / ".gitignore", flags, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write("*\n")

    def _lock(self, descriptor: int) -> None:
        deadline = time.monotonic() + _LOOKING
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ConfigurationError(
                        f"a development server runs in this folder already (it holds "
                        f"{self.folder / _LOCK}): end it with Ctrl-C in its terminal"
                    ) from None
                time.sleep(0.01)


def running_in(project: Path) -> DevRecord | None:
    """The development server that runs in a folder.

    None without one, and for files of another user: they would say where this user's jobs go.
    """
    if sys.platform == "win32":
        return None
    folder = project / FOLDER
    try:
        status = os.stat(folder, follow_symlinks=False)
        if not (stat.S_ISDIR(status.st_mode) and _is_own(status) and _is_locked(folder / _LOCK)):
            return None
        with open(os.open(folder / _RECORD, os.O_RDONLY | os.O_NOFOLLOW), encoding="utf-8") as file:
            if not _is_own(os.fstat(file.fileno())):
                return None
            found = json.load(file)
        imports = tuple(str(name) for name in found["imports"])
        pid = int(found["pid"])
        if pid <= 0:  # a signal to it would go to a whole group, or to all of the user's processes
            return None
        return DevRecord(pid, str(found["redis_url"]), str(found["prefix"]), imports)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _is_own(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid()


def _is_locked(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
