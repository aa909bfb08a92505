"""Lease tokens: unique over processes and restarts, short, and never used twice.

A token begins with a mark of its worker's name, so that the script which takes a lease back can
tell whose it was.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets


class _Process:
    """What makes the tokens of one process differ from those of every other."""

    mark = ""
    part = secrets.token_hex(6)
    count = itertools.count(1)


def _start_anew() -> None:
    _Process.part = _Process.mark + secrets.token_hex(6)


def name_worker(name: str) -> None:
    """Say whose tokens those of this process, and of its children, are."""
    _Process.mark = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:6]
    _start_anew()


os.register_at_fork(after_in_child=_start_anew)


def next_token() -> str:
    """``<mark and random part>-<count>``; a forked child gets a random part of its own."""
    return f"{_Process.part}-{next(_Process.count)}"
