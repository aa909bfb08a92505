"""What the doctor says: one finding a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """``check``: a fixed name for programs; ``fix``: what to do, empty when all is well."""

    level: Level
    check: str
    text: str
    fix: str = ""


def short(text: str, most: int) -> str:
    """A text of others on one line of at most ``most`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
