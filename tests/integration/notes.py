"""Notes that handlers leave in files, whichever process runs them."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path


def note(path: str, text: object) -> None:
    """Append one line. A single write in append mode is never mixed with another's."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, f"{text}\n".encode())
    finally:
        os.close(descriptor)


def notes(path: str | Path) -> list[str]:
    """All lines so far; none when nobody wrote."""
    file = Path(path)
    return file.read_text(encoding="utf-8").split() if file.exists() else []


def counted(path: str | Path) -> dict[str, int]:
    """How often each line was written."""
    return dict(Counter(notes(path)))
