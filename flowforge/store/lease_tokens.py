"""Lease tokens: unique over processes and restarts, short, and never used twice.

A token begins with a mark of its worker's name and the process id, so that the script which takes a
lease back, and readers, can tell whose it is.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import secrets
from typing import NamedTuple

#: The mark of a process that belongs to no worker.
_NO_WORKER = "000000"

#: Mark, process id, random part and count. Tokens of earlier releases have no process id.
_TOKEN = re.compile(r"([0-9a-f]{6})([0-9a-f]{6})?[0-9a-f]{12}-[0-9]+")


class TokenOwner(NamedTuple):
    """Whose a token is, as far as it says. ``mark``: see ``mark_of``."""

    mark: str | None
    pid: int | None


def mark_of(worker: str) -> str:
    """How the tokens of a worker of this name begin."""
    return hashlib.sha1(worker.encode(), usedforsecurity=False).hexdigest()[:6]


def owner_of(token: str) -> TokenOwner:
    """Whose a token is; a token of another form does not say it."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        return TokenOwner(None, None)
    mark = None if found[1] == _NO_WORKER else found[1]
    return TokenOwner(mark, int(found[2], 16) if found[2] else None)


def _process_part(mark: str) -> str:
    return f"{mark}{os.getpid() & 0xFFFFFF:06x}{secrets.token_hex(6)}"


class _Process:
    """What makes the tokens of one process differ from those of every other."""

    mark = _NO_WORKER
    part = _process_part(_NO_WORKER)
    count = itertools.count(1)


def _start_anew() -> None:
    _Process.part = _process_part(_Process.mark)


def name_worker(name: str) -> None:
    """Say whose tokens those of this process, and of its children, are."""
    _Process.mark = mark_of(name)
    _start_anew()


os.register_at_fork(after_in_child=_start_anew)


def next_token() -> str:
    """``<mark, process id and random part>-<count>``; a forked child has parts of its own."""
    return f"{_Process.part}-{next(_Process.count)}"
