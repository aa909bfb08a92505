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
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool

from flowforge.engine.fleet.look_pace import LookPace
from flowforge.store.server.link import ServerLink

logger = logging.getLogger(__name__)

#: Seconds after which a browser is told how often is looked, though its page has not changed.
_TELL = 10.0


@dataclass(eq=False)
class _Watcher:
    """A browser that shows a page. ``admitted``: whether its user may still see it."""

    admitted: Callable[[], bool]
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    #: The fragments that it has got; None: none yet.
    seen: Mapping[str, str] | None = None
    told: float = 0.0
    over: bool = False


@dataclass(eq=False)
class _Channel:
    """A page that somebody looks at. ``looks``: how often it was read."""

    render: Callable[[], Mapping[str, str]]
    watchers: list[_Watcher] = field(default_factory=list)
    looks: int = 0
    #: Another object only when something in it has changed.
    fragments: Mapping[str, str] = field(default_factory=dict)
    #: The latest text, by what it goes on from: most browsers have seen the same.
    text: tuple[int, Mapping[str, str] | None, str] = (0, None, "")


class LiveReader:
    """The one reader of a dashboard; ``links``: the connections whose commands it counts."""

    def __init__(self, links: Sequence[ServerLink]) -> None:
        self._pace = LookPace(links)
        self._channels: dict[str, _Channel] = {}
        self._opened = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def watch(
        self, key: str, render: Callable[[], Mapping[str, str]], admitted: Callable[[], bool]
    ) -> AsyncIterator[str]:
        """The page's fragments, then whatever changes of them, each time as one JSON text.

        ``key`` names what ``render`` returns: those who watch the same share one reading. Each look
        asks whether the user is still ``admitted``; the texts end when it is not so.
        """
        channel = self._channels.setdefault(key, _Channel(render))
        watcher = _Watcher(admitted)
        channel.watchers.append(watcher)
        if channel.looks:
            watcher.woken.set()
        else:
            self._opened.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read())
        try:
            while True:
                await watcher.woken.wait()
                watcher.woken.clear()
                if watcher.over:
                    return
                text = self._text(channel, watcher.seen)
                watcher.seen, watcher.told = channel.fragments, time.monotonic()
                yield text
        finally:
            channel.watchers.remove(watcher)
            if not channel.watchers:
                self._channels.pop(key, None)

    def _text(self, channel: _Channel, seen: Mapping[str, str] | None) -> str:
        """What a browser is sent that has seen these fragments."""
        looks, since, text = channel.text
        if looks == channel.looks and since is seen:
            return text
        before, found = seen or {}, channel.fragments
        text = json.dumps(
            {
                "fragments": {name: one for name, one in found.items() if before.get(name) != one},
                "gone": [name for name in before if name not in found],
                "commands": round(self._pace.commands_a_second, 1),
                "delay": round(self._pace.delay, 1),
            }
        )
        channel.text = channel.looks, seen, text
        return text

    async def _read(self) -> None:
        while self._channels:
            self._pace.begin()
            await self._look(list(self._channels.values()))
            self._pace.end()
            await self._rest()

    async def _rest(self) -> None:
        """Wait for the next look; what is opened meanwhile is looked at at once."""
        end = time.monotonic() + self._pace.delay
        while (left := end - time.monotonic()) > 0:
            try:
                await asyncio.wait_for(self._opened.wait(), left)
            except TimeoutError:
                return
            await self._look([one for one in self._channels.values() if not one.looks])

    async def _look(self, channels: Sequence[_Channel]) -> None:
        self._opened.clear()
        asked = [(channel, list(channel.watchers)) for channel in channels]
        # Threads of their own for each page, and for each browser, would cost more than the pages.
        await run_in_threadpool(_look_at, asked)
        now = time.monotonic()
        for channel, watchers in asked:
            channel.looks += 1
            for watcher in watchers:
                unchanged = watcher.seen is channel.fragments and now - watcher.told < _TELL
                if watcher.over or not unchanged:
                    watcher.woken.set()


def _look_at(asked: Iterable[tuple[_Channel, Sequence[_Watcher]]]) -> None:
    for channel, watchers in asked:
        for watcher in watchers:
            watcher.over = not _is_admitted(watcher)
        try:
            found = channel.render()
        except Exception:
            # The other pages go on; this one shows what it showed.
            logger.exception("an open page of the dashboard could not be read again")
        else:
            if found != channel.fragments:
                channel.fragments = found


def _is_admitted(watcher: _Watcher) -> bool:
    try:
        return watcher.admitted()
    except Exception:
        # The browser asks again, as for a page whose users cannot be read.
        logger.exception("the dashboard cannot tell who has a page open")
        return False
