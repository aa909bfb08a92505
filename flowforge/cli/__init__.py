"""The command line: ``flowforge``, and the same commands as ``celery flowforge``."""

from __future__ import annotations

import io
import sys

try:
    from flowforge.cli.main import cli
except KeyboardInterrupt:  # Ctrl-C before there is a command
    sys.exit(130)

__all__ = ["main"]


def main() -> None:
    """Run the command of ``sys.argv`` and exit: 0 success, 1 failure, 2 wrong use, 130 Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        # A job may hold any text; a terminal of another encoding must still show the rest.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    cli(prog_name="flowforge")
