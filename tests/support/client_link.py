"""A link of the store over fakeredis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowforge.store.server.link import Argument


class ClientLink:
    """A Link over any redis-py compatible client, for tests of pure logic on fakeredis."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def call(self, *command: Argument) -> Any:
        return self._client.execute_command(*command)

    def many(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        return [self._client.execute_command(*command) for command in commands]
