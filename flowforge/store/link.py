"""Connections to the server: a small pool of dedicated ones, and retry over outages.

Every transition is one script that may be sent twice without harm, so a lost connection or reply
is answered by sending the same bytes again. That is what lets a worker outlive a restart of the
server in the middle of a commit.
"""

from __future__ import annotations

import os
import re
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

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

from flowforge.errors import ConfigurationError, LoginRefusedError, StoreUnavailableError
from flowforge.store.sentinel import SentinelUrl

Argument = str | bytes | int | float

#: Seconds until a silent server counts as gone and the command is sent again.
SOCKET_TIMEOUT = 10.0

#: Seconds between two tries during an outage.
RETRY_PAUSE = 0.2

#: Options that the query of a URL may have, by its scheme: what kombu can be told as well.
_TUNING = frozenset(
    {"socket_timeout", "socket_connect_timeout", "health_check_interval", "client_name"}
)
_TLS = frozenset(
    f"ssl_{name}"
    for name in (
        "ca_certs", "ca_data", "ca_path", "cert_reqs", "certfile", "check_hostname", "ciphers",
        "keyfile", "password",
    )
)  # fmt: skip
_OPTIONS = {
    "redis": {"db", *_TUNING},
    "rediss": {"db", *_TUNING, *_TLS},
    "unix": {"db", "socket_timeout", "health_check_interval", "client_name"},
}

_OUTAGE = (ConnectionError, TimeoutError, OutOfMemoryError, ReadOnlyError, OSError)
_OUTAGE_WORDS = ("LOADING", "MASTERDOWN", "UNBLOCKED", "BUSY", "TRYAGAIN", "OOM", "READONLY")


class Link(Protocol):
    """What the store needs of a server: raw commands with raw replies."""

    def call(self, *command: Argument) -> Any: ...

    def many(self, commands: Sequence[Sequence[Argument]]) -> list[Any]: ...


def url_scheme(url: str) -> str:
    """What a URL that cannot be used begins with, to be shown."""
    scheme, separator, _ = url.partition("://")
    return scheme if separator and scheme.isidentifier() else "(no scheme)"


@contextmanager
def reading_url() -> Iterator[None]:
    """ConfigurationError for a ValueError of a URL's parser."""
    try:
        yield
    except ValueError:
        # The parser's own words may hold a part of the password.
        raise ConfigurationError(
            "the server's URL cannot be read: write redis://host:port/number, all of it for each "
            "where there are many; check the port and the options, and percent-encode special "
            "characters of the password"
        ) from None


@reading_url()
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
    scheme = _checked_scheme(url)
    if scheme == "sentinel":
        return _sentinel_client(url, options)
    if scheme == "unix":
        del options["socket_keepalive"]
    return redis.Redis.from_url(url, **options)


def _checked_scheme(url: str) -> str:
    """The scheme of a URL that says nothing which redis-py would pass over in silence, or refuse
    later and less clearly.
    """
    parts = urlsplit(url)
    if parts.scheme == "sentinel":
        return parts.scheme
    if parts.scheme not in _OPTIONS:
        raise ConfigurationError(
            f"cannot use {url_scheme(url)}:// for the store: give a redis://, rediss://, unix:// "
            "or sentinel:// URL"
        )
    _ = parts.port
    if "@" in parts.path + parts.query:
        raise ValueError("the password is not percent-encoded")
    known = _OPTIONS[parts.scheme]
    for name, _ in parse_qsl(parts.query, keep_blank_values=True):
        if name not in known:
            raise ConfigurationError(
                f"the server's URL has an unknown option {name!r}; {parts.scheme}:// takes "
                f"{', '.join(sorted(known))}"
            )
    if parts.scheme == "unix":
        if parts.hostname or not parts.path.strip("/"):
            raise ConfigurationError(
                "a unix:// URL needs the whole path of a socket: unix:///run/redis.sock?db=0"
            )
    elif not re.fullmatch(r"/?\d*", parts.path):
        raise ConfigurationError(
            "the server's URL has no database number behind its host: redis://host:port/0"
        )
    return parts.scheme


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
                self._check_database(error)
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
        except ResponseError as error:
            self._check_database(error)
            raise

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
        while not is_final(error) and time.monotonic() < deadline:
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
        raise unavailable(self._pool, error) from error

    def _check_database(self, error: ResponseError) -> None:
        """ConfigurationError when a new connection was refused for its database."""
        if "DB index" in str(error):
            raise ConfigurationError(
                f"the Redis server at {describe(self._pool)} has no database "
                f"{self._pool.connection_kwargs.get('db')} ({error}); correct the URL, or raise "
                "`databases` in the server's configuration"
            ) from error


#: Every link of this process, to part from the parent's sockets after a fork.
_links: weakref.WeakSet[ServerLink] = weakref.WeakSet()


def _forget_connections() -> None:
    # Parent and child on one socket would read each other's replies. The child drops its copies
    # unread; redis-py closes them here without ending the parent's connection.
    for link in _links:
        link._idle = []


os.register_at_fork(after_in_child=_forget_connections)


def is_final(error: BaseException | None) -> bool:
    """Whether trying again is pointless: wrong password, or a server that cannot prove its name."""
    return isinstance(error, AuthenticationError) or "CERTIFICATE_VERIFY_FAILED" in str(error)


def _is_outage(error: Exception) -> bool:
    return isinstance(error, _OUTAGE) or str(error).startswith(_OUTAGE_WORDS)


def unavailable(pool: Any, error: Exception) -> StoreUnavailableError:
    """What to raise when a pool's server cannot be used because of `error`."""
    where = f"the Redis server at {describe(pool)}"
    if isinstance(error, AuthenticationError):
        return LoginRefusedError(
            f"{where} refused the login ({error}); check user and password in FLOWFORGE_REDIS_URL"
        )
    if isinstance(error, redis.sentinel.MasterNotFoundError):
        # Its own words hold the connection pools of all Sentinels.
        nodes = (node.connection_pool for node in pool.sentinel_manager.sentinels)
        error = ConnectionError(f"no Sentinel at {', '.join(map(describe, nodes))} names it")
    return StoreUnavailableError(
        f"{where} does not answer ({error}); check that it runs and that FLOWFORGE_REDIS_URL is "
        "right"
    )


def describe(pool: Any) -> str:
    """Host and port (or socket path) of a pool, without credentials."""
    options = pool.connection_kwargs
    if "path" in options:
        return str(options["path"])
    if hasattr(pool, "service_name"):
        return f"Sentinel master {pool.service_name!r}"
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"


class ClientLink:
    """A Link over any redis-py compatible client, for tests of pure logic on fakeredis."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def call(self, *command: Argument) -> Any:
        return self._client.execute_command(*command)

    def many(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        return [self._client.execute_command(*command) for command in commands]
