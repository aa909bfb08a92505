"""A module of a user's that notes what its worker has loaded before it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

#: The variable with the file.
FILE = "TEST_LOADED_MODULES"

if FILE in os.environ:
    Path(os.environ[FILE]).write_text("\n".join(sorted(sys.modules)))
