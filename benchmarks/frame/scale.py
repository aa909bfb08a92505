"""How much work the trials do."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

T = TypeVar("T")


class Scale(Enum):
    """FULL measures, QUICK shows the trend, TINY shows only that everything works."""

    FULL = "full"
    QUICK = "quick"
    TINY = "tiny"

    def pick(self, full: T, quick: T, tiny: T) -> T:
        """The value for this scale."""
        return {Scale.FULL: full, Scale.QUICK: quick, Scale.TINY: tiny}[self]
