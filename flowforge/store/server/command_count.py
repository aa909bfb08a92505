"""How many commands one user of a link sends, such as a dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowforge.store.server.link import Argument, ServerLink


class CommandCount:
    """Counts the commands of a link, about: threads may miss each other's.

    It puts itself before the methods of this one link, so that no other link pays for it: a worker
    sends commands with each step.
    """

    def __init__(self, link: ServerLink) -> None:
        self.sent = 0
        self._call, self._many = link.call, link.many
        vars(link).update(call=self._counted_call, many=self._counted_many)

    def _counted_call(self, *command: Argument) -> Any:
        self.sent += 1
        return self._call(*command)

    def _counted_many(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        self.sent += len(commands)
        return self._many(commands)
