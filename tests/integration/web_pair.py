"""Two installations that a dashboard shows as one, as it does with two servers."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from flowforge.broker.fleet_app import fleet_app
from flowforge.engine.current import set_engine
from flowforge.engine.engine import Engine
from flowforge.engine.sharded import ShardedEngine
from flowforge.local.server import LocalServer
from flowforge.settings import from_environment


@contextmanager
def paired(server: LocalServer) -> Iterator[ShardedEngine]:
    """The engines of two prefixes, each of which has a name of its own, as servers have."""
    engines = []
    for _ in range(2):
        prefix = f"t{secrets.token_hex(6)}"
        settings = from_environment({}, redis_url=server.url, prefix=prefix)
        engines.append(Engine(settings, fleet_app(settings)))
    both = ShardedEngine(engines)
    former = set_engine(both)
    try:
        yield both
    finally:
        set_engine(former)
        both.close()
