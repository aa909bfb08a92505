"""The Python files of a project, and which of them have changed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

#: Seconds between two looks. A look takes at most this share of the time.
INTERVAL = 0.25
_SHARE = 0.05

#: Folders that have no source of the project's. Hidden ones and environments have none either.
_SKIPPED = frozenset({"__pycache__", "build", "dist", "node_modules", "site-packages"})

#: What tells a file from its former self: an editor may write it in place or replace it.
_Mark = tuple[int, int, int]


def source_files(project: Path) -> Iterator[Path]:
    """The ``.py`` files below a folder, but for those of libraries and environments."""
    for folder, folders, files in os.walk(project):
        folders[:] = [
            name
            for name in sorted(folders)
            if name not in _SKIPPED
            and not name.startswith(".")
            and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
        ]
        for name in files:
            if name.endswith(".py") and not name.startswith("."):
                yield Path(folder, name)


class SourceFiles:
    """Looks at the times and sizes of the files again and again, which every file system has."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._known = self._marks()
        self._next = 0.0
        #: What has changed, and whether more may follow: an editor writes several files one by one.
        self._changed: set[Path] = set()

    def changed(self) -> list[Path]:
        """The files that were saved, made or removed, as paths in the project, once there was a
        look at which nothing more changed. Often empty; looks no more often than it should.
        """
        started = time.monotonic()
        if started < self._next:
            return []
        marks = self._marks()
        took = time.monotonic() - started
        self._next = started + max(INTERVAL, took / _SHARE)
        new = {path for path in marks.keys() | self._known.keys()
               if marks.get(path) != self._known.get(path)}  # fmt: skip
        self._known = marks
        self._changed |= new
        if new:
            return []
        settled, self._changed = sorted(self._changed), set()
        return settled

    def _marks(self) -> dict[Path, _Mark]:
        found = {}
        for path in source_files(self._project):
            try:
                status = path.stat()
            except OSError:
                continue
            found[path.relative_to(self._project)] = (
                status.st_mtime_ns, status.st_size, status.st_ino,
            )  # fmt: skip
        return found
