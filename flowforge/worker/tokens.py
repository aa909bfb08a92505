"""Lease tokens: unique over processes and restarts, short, and never used twice."""

from __future__ import annotations

import itertools
import os
import secrets


class _Process:
    """What makes the tokens of one process differ from those of every other."""

    part = secrets.token_hex(6)
    count = itertools.count(1)


def _start_anew() -> None:
    _Process.part = secrets.token_hex(6)


os.register_at_fork(after_in_child=_start_anew)


def next_token() -> str:
    """``<random part of the process>-<count>``; a forked child gets a random part of its own."""
    return f"{_Process.part}-{next(_Process.count)}"
