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
from urllib.parse import urlsplit

import redis
import redis.sentinel
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,
)
from redis.retry import Retry

from flowforge.errors import ConfigurationError, StoreUnavailableError
from flowforge.store.sentinel import SentinelUrl

Argument = str | bytes | int | float

#: Seconds until a silent server counts as gone and the command is sent again.
SOCKET_TIMEOUT = 10.0

#: Seconds between two tries during an outage.
RETRY_PAUSE = 0.2

_OUTAGE = (ConnectionError, TimeoutError, OutOfMemoryError, ReadOnlyError, OSError)
_OUTAGE_WORDS = ("LOADING", "MASTERDOWN", "UNBLOCKED", "BUSY", "TRYAGAIN", "OOM", "READONLY")


class Link(Protocol):
    """What the store needs of a server: raw commands with raw replies."""

    def call(self, *command: Argument) -> Any: ...

    def many(self, commands: Sequence[Sequence[Argument]]) -> list[Any]: ...


def make_client(url: str, **options: Any) -> redis.Redis:
    """A redis-py client for a ``redis``, ``rediss``, ``unix`` or ``sentinel`` URL.

    A Sentinel URL names the master as ``?master_name=``, several Sentinels separated by ``;``.
    """
    options = {
        "protocol": 2,
        "socket_timeout": SOCKET_TIMEOUT,
        "socket_connect_timeout": 5.0,
        "socket_keepalive": True,
        # The links keep their own connections, as many as handlers run at the same time; the
        # pool's limit would count those that were lost in an outage for ever.
        "max_connections": 2**31 - 1,
        "retry": Retry(NoBackoff(), 0),
        **options,
    }
    scheme = urlsplit(url).scheme
    if scheme == "sentinel":
        return _sentinel_client(url, options)
    if scheme not in ("redis", "rediss", "unix"):
        raise ConfigurationError(
            f"cannot use {scheme or 'a missing scheme'}:// for the store: give a redis://, "
            "rediss://, unix:// or sentinel:// URL"
        )
    return redis.Redis.from_url(url, **options)


class _MasterConnection(redis.sentinel.SentinelManagedConnection):
    """Asks the Sentinels whenever it has to connect; redis-py's own does so in ``connect`` alone,
    and connects to its default port when a fresh one is asked to send.
    """

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        if self._sock is None:
            self.connect()  # type: ignore[no-untyped-call]
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]


def _sentinel_client(url: str, options: dict[str, Any]) -> redis.Redis:
    address = SentinelUrl.parse(url)
    sentinel = redis.sentinel.Sentinel(  # type: ignore[no-untyped-call]
        address.nodes, sentinel_kwargs=address.sentinel_kwargs
    )
    login = {"username": address.username, "password": address.password}
    master: redis.Redis = sentinel.master_for(  # type: ignore[no-untyped-call]
        address.master_name,
        connection_class=_MasterConnection,
        db=address.database,
        **{name: value for name, value in login.items() if value},
        **options,
    )
    return master


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
            connection.send_packed_command(connection.pack_command(*command))
            reply = connection.read_response()
        except ResponseError as error:
            self._idle.append(connection)
            if not _is_outage(error):
                raise
            return self._retry([command], error)[0]
        except _OUTAGE as error:
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
        except _OUTAGE as error:
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
            connection.send_packed_command(connection.pack_commands(commands))
            for _ in commands:
                try:
                    replies.append(connection.read_response())
                except ResponseError as error:
                    replies.append(error)
        except BaseException:
            connection.disconnect()
            raise
        self._idle.append(connection)
        failed = next((reply for reply in replies if isinstance(reply, Exception)), None)
        if failed is not None:
            raise failed
        return replies

    def _retry(self, commands: Sequence[Sequence[Argument]], error: Exception) -> list[Any]:
        deadline = time.monotonic() + self._patience
        while not _is_final(error) and time.monotonic() < deadline:
            time.sleep(RETRY_PAUSE)
            # The idle connections were made to a server that may be gone.
            self.close()
            try:
                return self._exchange(commands)
            except ResponseError as again:
                if not _is_outage(again):
                    raise
                error = again
            except _OUTAGE as again:
                error = again
        raise StoreUnavailableError(
            f"the Redis server at {describe(self._pool)} does not answer ({error}); check that it "
            "runs and that FLOWFORGE_REDIS_URL is right"
        ) from error


#: Every link of this process, to part from the parent's sockets after a fork.
_links: weakref.WeakSet[ServerLink] = weakref.WeakSet()


def _forget_connections() -> None:
    # Parent and child on one socket would read each other's replies. The child drops its copies
    # unread; redis-py closes them here without ending the parent's connection.
    for link in _links:
        link._idle = []


os.register_at_fork(after_in_child=_forget_connections)


def _is_final(error: Exception) -> bool:
    """Whether trying again is pointless: wrong password, or a server that cannot prove its name."""
    return isinstance(error, AuthenticationError) or "CERTIFICATE_VERIFY_FAILED" in str(error)


def _is_outage(error: Exception) -> bool:
    return isinstance(error, _OUTAGE) or str(error).startswith(_OUTAGE_WORDS)


def describe(pool: Any) -> str:
    """Host and port (or socket path) of a pool, without credentials."""
    options = pool.connection_kwargs
    if "path" in options:
        return str(options["path"])
    if "host" not in options:
        return f"Sentinel master {getattr(pool, 'service_name', '?')!r}"
    return f"{options['host']}:{options.get('port', 6379)}"


class ClientLink:
    """A Link over any redis-py compatible client, for tests of pure logic on fakeredis."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def call(self, *command: Argument) -> Any:
        return self._client.execute_command(*command)

    def many(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        return [self._client.execute_command(*command) for command in commands]
