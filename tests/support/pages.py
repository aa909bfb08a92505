"""The fenced blocks of the documentation's pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
TUTORIAL = DOCS / "tutorial/index.md"

_FENCE = re.compile(r"^```(\w*)\s*$")
_PICTURE = re.compile(r"^!\[[^]]+\]\((?P<path>[^)]+\.png)\)$")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, the number of its first line in the page, its lines."""

    language: str
    start: int
    lines: list[str]

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"


def blocks(page: Path, *languages: str) -> Iterator[Block]:
    """The blocks of these languages in their order."""
    start, lines = 0, list[str]()
    language: str | None = None  # outside of blocks
    for number, line in enumerate(page.read_text().splitlines(), 1):
        fence = _FENCE.match(line)
        if fence is None:
            lines.append(line)
            continue
        if language is not None and language in languages:
            yield Block(language, start, lines)
        start, language, lines = number + 1, fence[1] if language is None else None, []


@dataclass(frozen=True)
class Picture:
    """A picture that stands on a line of its own: the number of the line, and the file."""

    start: int
    file: Path


def pictures(page: Path) -> Iterator[Picture]:
    """The pictures of a page in their order."""
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if found := _PICTURE.match(line):
            yield Picture(number, (page.parent / found["path"]).resolve())
