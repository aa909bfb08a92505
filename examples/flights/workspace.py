"""Where the job keeps its files, and how it writes them.

A handler may run twice, be killed half-way, or race with a copy of itself. Every file is
therefore a pure function of the data, has one path, and appears whole or not at all.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """The paths below one build directory; two jobs may share it, they write the same bytes."""

    root: Path

    @classmethod
    def at(cls, build: str) -> Workspace:
        return cls(Path(build))

    @property
    def result(self) -> Path:
        return self.root / "flights.json"

    @property
    def page(self) -> Path:
        return self.root / "flights.html"

    @property
    def joined(self) -> Path:
        return self.root / "flights" / "joined.json"

    def flights(self, day: str) -> Path:
        return self.root / "flights" / "days" / f"{day}.csv"

    def observations(self, day: str) -> Path:
        return self.root / "flights" / "weather" / f"{day}.csv"

    def checked(self, day: str) -> Path:
        return self.root / "flights" / "checked" / f"{day}.csv"

    def rejected(self, day: str) -> Path:
        return self.root / "flights" / "rejected" / f"{day}.csv"

    def partial(self, day: str, part: str) -> Path:
        return self.root / "flights" / "partials" / f"{day}.{part}.json"


def write_text(path: Path, text: str) -> None:
    """Replace the file as a whole: a reader, or a copy of the writer, never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        draft.write_text(text, encoding="utf-8", newline="\n")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
