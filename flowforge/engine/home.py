"""The home server of a name: where what it stands for lives, whichever process asks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from flowforge.engine.engine import Engine


def home_of(engines: Sequence[Engine], name: str) -> Engine:
    """The engine of the name's home server: that with the highest hash of its own name and this one
    ("rendezvous hashing": a server more or less moves few names).

    StoreUnavailableError when a server that has not told its name yet does not answer.
    """
    return max(engines, key=lambda engine: _weight(engine, name))


def _weight(engine: Engine, name: str) -> bytes:
    return hashlib.sha256(f"{engine.store.server_name}/{name}".encode()).digest()
