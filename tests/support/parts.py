"""Parts of the suite that need what pip does not install, and what is said where it is missing.

``NOTHING_LEFT_OUT=1`` lets nothing be left out: then a part that is missing is a failure.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Part:
    """``programs``: any of them will do. ``get``: how it is installed."""

    name: str
    programs: tuple[str, ...]
    get: str

    def program(self) -> str | None:
        """The path of the program; None when none is there."""
        return next((path for name in self.programs if (path := shutil.which(name))), None)

    def needed(self) -> str:
        """The path of the program; else the test is skipped, or fails where nothing may be."""
        path = self.program()
        if path is None:
            told = f"{self.name}: none of {', '.join(self.programs)} is there; {self.get}"
            if os.environ.get("NOTHING_LEFT_OUT") == "1":
                pytest.fail(told)
            pytest.skip(told)
        return path


CHROMIUM = Part(
    "the tests in a browser",
    ("chromium", "chromium-browser", "google-chrome"),
    "on Debian and Ubuntu: apt-get install chromium",
)

PARTS = (CHROMIUM,)
