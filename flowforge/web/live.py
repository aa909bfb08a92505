"""What is on the open pages is read once a second, and sent to the browsers that show it.

Nothing is published when a job changes: a job costs the same with and without a dashboard. One
reader in the process renders each page that is open anywhere, however many browsers show it, and
the browsers get the fragments that have changed. It rests longer when reading takes longer, so that
it takes a small part of a server that has much to do.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool

from flowforge.engine.fleet.look_pace import LookPace
from flowforge.store.server.link import ServerLink

logger = logging.getLogger(__name__)


@dataclass
class _Channel:
    """A page that somebody looks at. ``looks``: how often it was read."""

    render: Callable[[], dict[str, str]]
    watchers: int = 0
    looks: int = 0
    fragments: dict[str, str] = field(default_factory=dict)


class LiveReader:
    """The one reader of a dashboard; ``links``: the connections whose commands it counts."""

    def __init__(self, links: Sequence[ServerLink]) -> None:
        self._pace = LookPace(links)
        self._channels: dict[str, _Channel] = {}
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def watch(self, key: str, render: Callable[[], dict[str, str]]) -> AsyncIterator[str]:
        """The page's fragments, then whatever changes of them, each time as one JSON text.

        ``key`` names what ``render`` returns: those who watch the same share one reading.
        """
        channel = self._channels.setdefault(key, _Channel(render))
        channel.watchers += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read())
        seen: dict[str, str] = {}
        looks = 0
        try:
            while True:
                looks = await self._next_look(channel, looks)
                found = channel.fragments
                new = {name: text for name, text in found.items() if seen.get(name) != text}
                gone = [name for name in seen if name not in found]
                seen = dict(found)
                yield self._message(new, gone)
        finally:
            channel.watchers -= 1
            if not channel.watchers:
                self._channels.pop(key, None)

    async def _next_look(self, channel: _Channel, earlier: int) -> int:
        async with self._changed:
            await self._changed.wait_for(lambda: channel.looks > earlier)
        return channel.looks

    def _message(self, new: dict[str, str], gone: list[str]) -> str:
        return json.dumps(
            {
                "fragments": new,
                "gone": gone,
                "commands": round(self._pace.commands_a_second, 1),
                "delay": round(self._pace.delay, 1),
            }
        )

    async def _read(self) -> None:
        while self._channels:
            self._pace.begin()
            for channel in list(self._channels.values()):
                await self._look(channel)
            self._pace.end()
            async with self._changed:
                self._changed.notify_all()
            await asyncio.sleep(self._pace.delay)

    async def _look(self, channel: _Channel) -> None:
        try:
            channel.fragments = await run_in_threadpool(channel.render)
        except Exception:
            # The other pages go on; this one shows what it showed.
            logger.exception("an open page of the dashboard could not be read again")
        channel.looks += 1
