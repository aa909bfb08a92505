"""The dashboard in the application of somebody else."""

from __future__ import annotations

import os
import subprocess
import sys


def test_a_program_that_uses_nothing_else_of_flowforge_mounts_it() -> None:
    """The engine is that of the environment; no server is asked yet."""
    program = "from flowforge import web; web.app(authentication=web.Token())"
    environment = {**os.environ, "FLOWFORGE_REDIS_URL": "redis://127.0.0.1:1/0"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
