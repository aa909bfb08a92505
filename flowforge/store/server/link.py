"""Connections to the server: a small pool of dedicated ones, and retry over outages.

Every transition is one script that may be sent twice without harm, so a lost connection or reply
is answered by sending the same bytes again. That is what lets a worker outlive a restart of the
server in the middle of a commit.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Sequence
from typing import Any, Protocol

import redis
from hiredis import pack_command
from redis.exceptions import RedisError, ResponseError

from flowforge.store.server.errors import raise_explained
from flowforge.store.server.outage import outage_of

Argument = str | bytes | int | float

#: Seconds between two tries during an outage.
RETRY_PAUSE = 0.2


class Link(Protocol):
    """What the store needs of a server: raw commands with raw replies."""

    def call(self, *command: Argument) -> Any: ...

    def many(self, commands: Sequence[Sequence[Argument]]) -> list[Any]: ...


class ServerLink:
    """A stack of dedicated connections to one server. Safe for threads, greenlets and forks.

    ``patience``: seconds that a command is tried over an outage before StoreUnavailableError.
    """

    def __init__(self, client: redis.Redis, patience: float) -> None:
        self._pool = client.connection_pool
        self._patience = patience
        # A list used as a stack: append and pop are atomic, and the warmest connection is on top.
        self._idle: list[Any] = []
        _links.add(self)

    def call(self, *command: Argument) -> Any:
        connection = self._acquire()
        try:
            # As the connection packs it, which looks at each argument for types not used here.
            packed = pack_command(command)  # type: ignore[arg-type]  # of any length
            connection.send_packed_command([packed])
            reply = connection.read_response()
        except ResponseError as error:
            self._idle.append(connection)
            return self._retry([command], _with_key(error, command))[0]
        except (RedisError, OSError) as error:
            connection.disconnect()
            return self._retry([command], error)[0]
        except BaseException:
            # Interrupted between command and reply: the reply would answer the next command.
            connection.disconnect()
            raise
        self._idle.append(connection)
        return reply

    def many(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Send all, then read all replies. An error reply is raised after the last was read."""
        try:
            return self._exchange(commands)
        except (RedisError, OSError) as error:
            return self._retry(commands, error)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().disconnect()

    def _acquire(self) -> Any:
        try:
            return self._idle.pop()
        except IndexError:
            return self._pool.make_connection()

    def _exchange(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        connection = self._acquire()
        replies: list[Any] = []
        try:
            # As in ``call``; joined, since each text that is sent is a system call.
            packed = [pack_command(tuple(command)) for command in commands]  # type: ignore[arg-type]
            connection.send_packed_command([b"".join(packed)])
            for _ in commands:
                try:
                    replies.append(connection.read_response())
                except ResponseError as error:
                    replies.append(error)
        except BaseException:
            connection.disconnect()
            raise
        self._idle.append(connection)
        for command, reply in zip(commands, replies, strict=True):
            if isinstance(reply, Exception):
                raise _with_key(reply, command)
        return replies

    def _retry(self, commands: Sequence[Sequence[Argument]], error: Exception) -> list[Any]:
        """Try again while the server serves no writes; what else there is to say is raised."""
        deadline = time.monotonic() + self._patience
        # Of several commands the earlier ones may have been accepted.
        unchanged = len(commands) == 1
        while True:
            outage = outage_of(error)
            unchanged = unchanged and outage is not None and outage.answered
            if outage is None or time.monotonic() + outage.waited >= deadline:
                raise_explained(self._pool, error, unchanged=unchanged)
            time.sleep(RETRY_PAUSE)
            # The idle connections were made to a server that may be gone.
            self.close()
            try:
                return self._exchange(commands)
            except (RedisError, OSError) as again:
                error = again


def _with_key(error: Exception, command: Sequence[Argument]) -> Exception:
    """An error of a wrong type that says of which key; of a script that is not known."""
    text = str(error)
    if text.startswith("WRONGTYPE") and not str(command[0]).startswith("EVAL") and len(command) > 1:
        error.args = (f"{text}: {command[0]!s} {_shown(command[1])}",)
    return error


def _shown(key: Argument) -> str:
    return key.decode(errors="replace") if isinstance(key, bytes) else str(key)


#: Every link of this process, to part from the parent's sockets after a fork.
_links: weakref.WeakSet[ServerLink] = weakref.WeakSet()


def _forget_connections() -> None:
    # Parent and child on one socket would read each other's replies. The child drops its copies
    # unread; redis-py closes them here without ending the parent's connection.
    for link in _links:
        link._idle = []


os.register_at_fork(after_in_child=_forget_connections)
