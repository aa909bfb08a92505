"""A number with what it counts."""

from __future__ import annotations


def counted(number: int, one: str, several: str = "") -> str:
    """``1 job has``, ``2 jobs have``. ``several``: by default ``one`` with an s."""
    return f"{number} {one if number == 1 else several or f'{one}s'}"
