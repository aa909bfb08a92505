"""A connection to the server that a thousand of fit in one process."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any
from urllib.parse import urlsplit

import hiredis


class Wire(asyncio.Protocol):
    """Commands in, replies out, in order. An error reply is raised as RuntimeError."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, url: str) -> Wire:
        parts = urlsplit(url)
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(cls, parts.hostname or "", parts.port or 0)
        await wire.call("AUTH", parts.password or "")
        return wire

    def call(self, *command: str | bytes | int | float) -> asyncio.Future[Any]:
        """Send at once; the future has the reply."""
        assert self._transport is not None, "a wire is made by open()"
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._transport.write(hiredis.pack_command(command))  # type: ignore[arg-type]
        return future

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # --- what asyncio calls --------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            if not self._waiting:
                continue  # published by somebody; nobody has asked for it
            future = self._waiting.popleft()
            if future.done():
                continue
            if isinstance(reply, hiredis.ReplyError):
                future.set_exception(RuntimeError(str(reply)))
            else:
                future.set_result(reply)

    def connection_lost(self, error: Exception | None) -> None:
        while self._waiting:
            self._waiting.popleft().cancel()
