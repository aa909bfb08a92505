"""The home server of a name: where what it stands for lives, whichever process asks."""

from __future__ import annotations

from collections.abc import Sequence

from flowforge.engine.engine import Engine
from flowforge.store.fleet_reads.placement import weight


def home_of(engines: Sequence[Engine], name: str) -> Engine:
    """The engine of the name's home server: that with the highest hash of its own name and this one
    ("rendezvous hashing": a server more or less moves few names).

    StoreUnavailableError when a server that has not told its name yet does not answer.
    """
    return max(engines, key=lambda engine: weight(engine.store.server_name, name))
